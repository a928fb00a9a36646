"""Fusion by learned weights."""

import math

import torch
from torch import Tensor, nn

from sensorium.fusion.slots import Fusion

__all__ = ["Weighted"]


class Weighted(Fusion):
    """A weighted mean, one learned weight a modality: the softmax of w over the modalities present.

    For few rows with modalities of unequal worth; the weights can be read. It adds up evidence and can't combine it.

    Reference:
        weighted fusion, F = sum_m a_m F_m. Weights start equal; where nothing is present, a learned vector.

    Args:
        width: of the tokens and of the result.
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> from sensorium.encoders.features import Features
        >>> fusion = Weighted(width=4)
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """

    def build(self, count: int) -> None:
        self.weight = nn.Parameter(torch.zeros(count))
        self.empty = nn.Parameter(torch.randn(self.width) * 0.1)

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        some = present.any(1, keepdim=True)  # (B, 1)
        share = self.weight.expand(present.shape).masked_fill(~present & some, -math.inf).softmax(1)  # (B, M)
        mean = (share[..., None] * slots.masked_fill(~present[..., None], 0)).sum(1)  # (B, width)
        return torch.where(some, mean, self.empty)
