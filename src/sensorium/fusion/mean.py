"""Fusion by the mean."""

import torch
from torch import Tensor, nn

from sensorium.fusion.slots import Fusion

__all__ = ["Mean"]


class Mean(Fusion):
    """The mean of the modalities present: F = sum_m p_m F_m / sum_m p_m, with p_m = 1 if present, else 0.

    The simplest one, with almost nothing to learn: for few rows. It adds up evidence and can't combine it.

    Reference:
        the mean of the modalities' features. Where nothing is present, a learned vector.

    Args:
        width: of the tokens and of the result.
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> from sensorium.encoders.features import Features
        >>> fusion = Mean(width=1)
        >>> fusion.connect(["a", "b"])
        >>> there = torch.ones(1, 1, dtype=torch.bool)
        >>> one, five = torch.tensor([[[1.0]]]), torch.tensor([[[5.0]]])
        >>> fusion({"a": Features(one, there), "b": Features(five, there)}).item()
        3.0
    """

    def build(self, count: int) -> None:
        self.empty = nn.Parameter(torch.randn(self.width) * 0.1)

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        count = present.sum(1, keepdim=True)  # (B, 1)
        mean = slots.masked_fill(~present[..., None], 0).sum(1) / count.clamp(min=1)  # (B, width)
        return torch.where(count > 0, mean, self.empty)
