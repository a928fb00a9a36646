"""Fusion of decisions."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from sensorium.errors import ConfigError, did_you_mean
from sensorium.fusion.slots import Fusion

__all__ = ["Late"]


class Late(Fusion):
    """Each modality decides by itself, and the decisions are averaged over the modalities present.

    For modalities that are evidence of the same thing, and for few rows. It can't combine them: an answer that no
    modality has alone (XOR) is out of its reach.

    Reference:
        decision-level ("late") fusion, as in Baltrusaitis et al., 2019: F = sum_m w_m P_m x_m / sum_m w_m. A linear head
        A F + b is then the same weighted mean of one linear head a modality, A P_m x_m + b. LayerNorm for each modality
        before it; where nothing is present, a learned vector.

    Args:
        width: of the tokens and of the result.
        weights: "learned", one a modality, equal at the start, or "equal".
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion; other weights.

    Example:
        >>> from sensorium.encoders.features import Features
        >>> fusion = Late(width=4, weights="equal")
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 4])
    """

    def __init__(self, width: int = 256, weights: Literal["learned", "equal"] = "learned", dropout: float = 0.0):
        super().__init__(width, dropout)
        if weights not in ("learned", "equal"):
            raise ConfigError(
                f"Late.weights: unknown weights {weights!r}. {did_you_mean(str(weights), ['equal', 'learned'])}"
            )
        self.weights = weights

    def build(self, count: int) -> None:
        self.decide = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(self.width), nn.Linear(self.width, self.width)) for _ in range(count)
        )
        if self.weights == "learned":
            self.weight = nn.Parameter(torch.zeros(count))
        else:
            self.register_buffer("weight", torch.zeros(count))
        self.empty = nn.Parameter(torch.randn(self.width) * 0.1)

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        some = present.any(1, keepdim=True)  # (B, 1)
        share = self.weight.expand(present.shape).masked_fill(~present & some, -math.inf).softmax(1)  # (B, M)
        said = torch.stack([part(slot) for part, slot in zip(self.decide, slots.unbind(1), strict=True)], dim=1)
        return torch.where(some, (share[..., None] * said).sum(1), self.empty)  # (B, width)
