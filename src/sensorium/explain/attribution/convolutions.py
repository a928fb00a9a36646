"""Where the last convolutions of a network look."""

from typing import Any

import torch
from torch import Tensor, nn

from sensorium.errors import ConfigError
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.gradients import Inner, integrated_gradients
from sensorium.explain.attribution.grid import spread

__all__ = ["grad_cam"]


def grad_cam(answer: Answer, values: Tensor, nothing: Tensor) -> tuple[Tensor, float]:
    """What each place of the last feature maps adds, spread over its pixels: (items, H, W); and what all add up to.

    Reference:
        Selvaraju et al. 2017, Grad-CAM; integrated as by Sattarzadeh et al. 2021, Integrated Grad-CAM. Differs: each place
        has its own gradient, and signs stay. A gradient at one point is no help here: after a LayerNorm, gradient times
        activation is 0 in all.

    Args:
        answer: of one row.
        values: its pictures, (1, [items,] 3, H, W).
        nothing: likewise, of nothing in particular.

    Raises:
        ConfigError: the encoder has no map of several places.
    """
    maps: dict[nn.Module, nn.Module] = {}  # by encoder, the last

    with torch.no_grad():
        hooks = [
            module.register_forward_hook(_note(encoder, maps))
            for encoder in answer.encoders
            for module in encoder.modules()
        ]
        try:
            answer(values)
        finally:
            for hook in hooks:
                hook.remove()
    if not maps:
        raise ConfigError(
            f"input '{answer.modality}': grad_cam is for convolutions, and {type(answer.encoders[0]).__name__} gives no map "
            "of several places. Take integrated_gradients."
        )
    inner = Inner(answer, maps.values())
    start = inner.outputs(nothing)
    parts, expected = integrated_gradients(inner, inner.given, [[start[module] for module in inner.modules]])
    return sum(spread(part[0].sum(1), *values.shape[-2:]) for part in parts), expected


def _note(encoder: nn.Module, maps: dict[nn.Module, nn.Module]) -> Any:
    def hook(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1:
            maps[encoder] = module

    return hook
