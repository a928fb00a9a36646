"""Fusion by gates."""

import math

import torch
from torch import Tensor, nn

from sensorium.fusion.slots import AbsentSlots, Fusion

__all__ = ["Gated"]


class Gated(Fusion):
    """Each modality is let through feature by feature, by gates that look at all of them.

    For modalities whose worth changes from row to row: a blurred photo, an empty text.

    Reference:
        Arevalo et al., 2017 (GMU): h_m = tanh(W_m x_m), F = sum_m z_m * h_m. Differs: the gates z are a softmax over
        the modalities present, which for two is the paper's z and 1 - z; where nothing is present, a learned vector.

    Args:
        width: of the tokens and of the result.
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> from sensorium.encoders.features import Features
        >>> fusion = Gated(width=4)
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 4])
    """

    def build(self, count: int) -> None:
        self.fill = AbsentSlots(count, self.width)
        self.hidden = nn.ModuleList(nn.Linear(self.width, self.width) for _ in range(count))
        self.gate = nn.Linear(count * self.width, count * self.width)
        self.empty = nn.Parameter(torch.randn(self.width) * 0.1)

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        x = self.fill(slots, present)  # (B, M, width)
        h = torch.stack([layer(slot) for layer, slot in zip(self.hidden, x.unbind(1), strict=True)], dim=1).tanh()
        some = present.any(1, keepdim=True)  # (B, 1)
        score = self.gate(x.flatten(1)).view_as(x)  # (B, M, width)
        z = score.masked_fill((~present & some)[..., None], -math.inf).softmax(1)  # (B, M, width)
        return torch.where(some, (z * h).sum(1), self.empty)  # (B, width)
