"""Where attention looks."""

from typing import Any

import torch
from torch import Tensor, nn

from sensorium.encoders.attention import TransformerBlock
from sensorium.errors import ConfigError
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.grid import spread

__all__ = ["rollout"]


def rollout(answer: Answer, values: Tensor) -> Tensor:
    """How much of each pixel of (1, [items,] 3, H, W) reaches the tokens at the end: (items, H, W), each sums to 1.

    Reference:
        Abnar and Zuidema 2020, Quantifying Attention Flow in Transformers; the mean over heads and over last tokens.

    Raises:
        ConfigError: the encoder is no Transformer of this package on patches.
    """
    encoder = answer.encoders[0]
    blocks = [module for module in encoder.modules() if isinstance(module, TransformerBlock)]
    patch = getattr(encoder, "patch", None)
    if not blocks or not isinstance(patch, nn.Conv2d):
        raise ConfigError(
            f"input '{answer.modality}': rollout is for the encoder vit; got {type(encoder).__name__}. "
            "Take integrated_gradients."
        )
    flow: list[Tensor] = []

    def note(block: TransformerBlock, given: tuple[Tensor, ...], _: Any) -> None:
        step = _attention(block, given[0]).mean(1)  # (items, T, T)
        step = (step + torch.eye(step.shape[1])) / 2
        flow.append(step @ flow[-1] if flow else step)

    hooks = [block.register_forward_hook(note) for block in blocks]
    try:
        with torch.no_grad():
            answer(values)
    finally:
        for hook in hooks:
            hook.remove()
    height, width = values.shape[-2] // patch.stride[0], values.shape[-1] // patch.stride[1]
    found = flow[-1].mean(1).unflatten(1, (height, width))  # (items, rows, columns)
    return spread(found / found.sum((1, 2), keepdim=True), *values.shape[-2:])


def _attention(block: TransformerBlock, x: Tensor) -> Tensor:
    """The weights (N, heads, T, T) of a block where all tokens are real."""
    qkv = block.qkv(block.norm1(x)).unflatten(-1, (3, block.num_heads, block.head_dim))
    q, k, _ = qkv.permute(2, 0, 3, 1, 4)  # each (N, heads, T, D)
    return (q @ k.transpose(2, 3) / block.head_dim**0.5).softmax(3)
