"""Fusion by the outer product."""

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least
from sensorium.errors import ConfigError
from sensorium.fusion.slots import Fusion

__all__ = ["TensorFusion"]


class TensorFusion(Fusion):
    """Every product of one feature from each modality, those of fewer modalities included, then one layer.

    For two or three modalities whose answer lies in combinations. With many, LowRank: its size doesn't explode.

    Reference:
        Zadeh et al., 2017 (Tensor Fusion Network): z = [z_1; 1] x ... x [z_M; 1]. An absent modality is its 1 alone, so
        the products of the others remain. Differs: a linear layer to `size` instead of the paper's embedding networks,
        one layer with LayerNorm after the product.

    Args:
        width: of the tokens and of the result.
        size: features a modality is brought down to. None: as many as `most` allows, up to width.
        most: products at most, (size + 1) ** modalities.
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion; at connect, more products than `most`.

    Example:
        >>> from sensorium.encoders.features import Features
        >>> fusion = TensorFusion(width=8, most=100)
        >>> fusion.connect(["a", "b", "c"])
        >>> fusion.mix[0].in_features  # (3 + 1) ** 3, since (4 + 1) ** 3 is more than 100
        64
        >>> fusion({"b": Features(torch.ones(1, 2, 8), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 8])
    """

    def __init__(self, width: int = 256, size: int | None = None, most: int = 4096, dropout: float = 0.0):
        super().__init__(width, dropout)
        self.size = None if size is None else at_least("TensorFusion.size", size)
        self.most = at_least("TensorFusion.most", most)

    def build(self, count: int) -> None:
        largest = 0
        while largest < self.width and (largest + 2) ** count <= self.most:
            largest += 1
        size = max(largest, 1) if self.size is None else self.size
        products = (size + 1) ** count
        if products > self.most:
            smaller = f"Take size {largest} or less" if largest else "Take fewer modalities"
            raise ConfigError(
                f"TensorFusion must make at most {self.most} products (most); got ({size} + 1) ** {count} modalities = "
                f"{products}. {smaller}, raise most, or take low_rank, which does without the products."
            )
        self.parts = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(self.width), nn.Linear(self.width, size)) for _ in range(count)
        )
        self.mix = nn.Sequential(nn.Linear(products, self.width), nn.LayerNorm(self.width), nn.GELU())

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        product = torch.ones_like(slots[:, 0, :1])
        for part, slot, there in zip(self.parts, slots.unbind(1), present.unbind(1), strict=True):
            z = part(slot).masked_fill(~there[:, None], 0)  # (B, size)
            z = torch.cat([z, torch.ones_like(z[:, :1])], dim=1)  # (B, size + 1)
            product = (product[:, :, None] * z[:, None]).flatten(1)  # (B, products so far * (size + 1))
        return self.mix(product)  # (B, width)
