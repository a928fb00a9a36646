"""Fusion by a deep network."""

from torch import Tensor, nn

from sensorium.encoders.checks import at_least
from sensorium.fusion.slots import AbsentSlots, Fusion

__all__ = ["Deep"]


class Deep(Fusion):
    """All slots side by side, then a residual MLP. A learned vector stands for an absent modality.

    For answers that lie in how modalities go together, and a thousand rows or more.

    Reference:
        Ngiam et al., 2011 (joint deep layers); He et al., 2016 (the residual). Pre-norm blocks.

    Args:
        width: of the tokens and of the result.
        layers: residual blocks, 1 or more.
        hidden: width of the blocks; None: width.
        dropout: in the blocks and on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> import torch
        >>> from sensorium.encoders.features import Features
        >>> fusion = Deep(width=4, layers=2)
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 4])
    """

    def __init__(self, width: int = 256, layers: int = 3, hidden: int | None = None, dropout: float = 0.1):
        super().__init__(width, dropout)
        self.layers = at_least("Deep.layers", layers)
        self.hidden = at_least("Deep.hidden", width if hidden is None else hidden)

    def build(self, count: int) -> None:
        size, dropout = self.hidden, self.drop.p
        self.fill = AbsentSlots(count, self.width)
        self.first = nn.Linear(count * self.width, size)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(size), nn.Linear(size, size), nn.GELU(), nn.Dropout(dropout), nn.Linear(size, size)
            )
            for _ in range(self.layers)
        )
        self.last = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, self.width))

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        x = self.first(self.fill(slots, present).flatten(1))  # (B, hidden)
        for block in self.blocks:
            x = x + block(x)
        return self.last(x)  # (B, width)
