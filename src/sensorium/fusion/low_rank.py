"""Fusion by the outer product, in a low-rank form that never builds it."""

import math

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least
from sensorium.fusion.slots import Fusion

__all__ = ["LowRank"]


class LowRank(Fusion):
    """A sum over `rank` of products of one linear layer a modality: TensorFusion, with a size that only adds up.

    For answers that lie in combinations of several modalities.

    Reference:
        Liu et al., 2018 (LMF): h = sum_r prod_m W_m^(r) [z_m; 1]. An absent modality is its 1 alone: a learned factor.
        Differs: LayerNorm before and after; factors start near 1, so that the product of many neither dies nor explodes.

    Args:
        width: of the tokens and of the result.
        rank: terms of the sum, 1 or more.
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> from sensorium.encoders.features import Features
        >>> fusion = LowRank(width=4, rank=2)
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 4])
    """

    def __init__(self, width: int = 256, rank: int = 4, dropout: float = 0.0):
        super().__init__(width, dropout)
        self.rank = at_least("LowRank.rank", rank)

    def build(self, count: int) -> None:
        self.norms = nn.ModuleList(nn.LayerNorm(self.width) for _ in range(count))
        # The last column of W_m^(r), which the 1 picks, is the layer's bias.
        self.factors = nn.ModuleList(nn.Linear(self.width, self.rank * self.width) for _ in range(count))
        self.norm = nn.LayerNorm(self.width)
        for factor in self.factors:
            nn.init.normal_(factor.weight, std=1 / math.sqrt(self.width * count))
            nn.init.normal_(factor.bias, mean=1.0, std=0.1)

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        x = torch.stack([norm(slot) for norm, slot in zip(self.norms, slots.unbind(1), strict=True)], dim=1)
        x = x.masked_fill(~present[..., None], 0)  # (B, M, width)
        factors = [factor(slot) for factor, slot in zip(self.factors, x.unbind(1), strict=True)]
        product = torch.stack(factors).prod(0).unflatten(1, (self.rank, self.width))  # (B, rank, width)
        return self.norm(product.sum(1))  # (B, width)
