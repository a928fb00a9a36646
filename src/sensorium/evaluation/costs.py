"""What an answer costs: floating-point operations and shapes of each part of a model."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sensorium.encoders.features import Input
from sensorium.model import MultimodalModel

__all__ = ["Cost", "costs", "counted"]


class Cost(NamedTuple):
    """flops: of the batch; given, made: shapes of what goes in and comes out, None where that is more than one thing."""

    flops: int
    given: tuple[int, ...] | None
    made: tuple[int, ...] | None


@torch.no_grad()
def costs(model: MultimodalModel, inputs: Mapping[str, Input]) -> dict[tuple[str, str], Cost]:
    """The cost of each part, by kind and name as `Predictor.parts` has them; their sum is that of an answer.

    What the parts of a run of `pretrain` cost that learn without labels comes on top.

    Args:
        model: in eval mode.
        inputs: a batch in which nothing is missing.
    """
    found, looked, features = {}, {}, {}
    for name, given in inputs.items():
        seen, first = counted(model.look, {name: given})
        made, second = counted(model.encode, seen)
        looked |= seen
        features |= made
        found["encoder", name] = Cost(first + second, tuple(given.values.shape), tuple(made[name].tokens.shape))
    fused, flops = counted(model.fusion, features)
    found["fusion", "fusion"] = Cost(flops, None, tuple(fused.shape))
    if model.wide is not None:
        found["wide", "hand-made"] = Cost(counted(model.wide, looked)[1], None, None)
    if model.single is not None:
        name = model.single.modality
        own, first = counted(model.single.encode, looked)
        _, second = counted(model.single.network.heads_of, {name: own})
        found["single", name] = Cost(first + second, tuple(inputs[name].values.shape), None)
    if model.aligner is not None:
        found["objective", "alignment"] = Cost(counted(model.aligner, features)[1], None, None)
    if model.rebuilder is not None:
        found["objective", "reconstruction"] = Cost(counted(model.rebuilder, fused, looked)[1], None, None)
    for name in model.targets:
        logits, flops = counted(model.head(name), fused)
        made = tuple(logits.shape) if isinstance(logits, Tensor) else None
        found["head", name] = Cost(flops, tuple(fused.shape), made)
    return found


def counted(run: Callable[..., Any], *given: Any) -> tuple[Any, int]:
    """What a function returns, and the floating-point operations of its matrix products and convolutions.

    Two for each multiplication with its addition. Sums, norms, activations and Fourier transforms are not counted, nor
    is torch's own LSTM.

    Example:
        >>> counted(torch.nn.Linear(8, 4), torch.rand(1, 8))[1] == 2 * 8 * 4
        True
    """
    with FlopCounterMode(display=False) as counter, _plain():
        result = run(*given)
    return result, counter.get_total_flops()


@contextmanager
def _plain() -> Iterator[None]:
    """Attention as the matrix products that it is: the counter knows no fused kernels of processors."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
