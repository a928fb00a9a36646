"""On-the-fly gradient modulation."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

__all__ = ["coefficients", "modulate"]


def coefficients(scores: Sequence[float | None], alpha: float) -> list[float]:
    """How much of each modality's gradient is kept: 1 - tanh(alpha * r) for those that lead, 1 for the others.

    A modality leads by r, its score over the mean of the others', where r is above 1.

    Reference:
        Peng et al., 2022, for two modalities. Of more, each is held against the mean of the others.

    Args:
        scores: how well each modality answers alone, above 0; None: it is in no row, and counts for nothing.
        alpha: 0 or more.

    Example:
        >>> [round(k, 3) for k in coefficients([0.8, 0.4], alpha=0.5)]
        [0.238, 1.0]
    """
    found = []
    for place, score in enumerate(scores):
        rest = [other for n, other in enumerate(scores) if n != place and other is not None]
        ratio = 0.0 if score is None or not rest else score * len(rest) / max(sum(rest), 1e-12)
        found.append(1 - math.tanh(alpha * ratio) if ratio > 1 else 1.0)
    return found


@torch.no_grad()
def modulate(parameters: Iterable[nn.Parameter], coefficient: float) -> None:
    """Scale the gradients of an encoder, and add noise of each gradient's own deviation (GE).

    What has no gradient, such as a word that is not in the batch, gets no noise either.

    Reference:
        Peng et al., 2022, whose code does this to convolutions alone; the deviation is that before scaling.
    """
    for parameter in parameters:
        if (gradient := parameter.grad) is not None:
            noise = torch.randn_like(gradient) * gradient.std(correction=0)
            gradient.mul_(coefficient).add_(noise.masked_fill_(gradient == 0, 0))
