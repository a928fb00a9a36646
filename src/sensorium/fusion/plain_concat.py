"""Fusion by concatenation and one dense layer, nothing else."""

from torch import Tensor, nn

from sensorium.encoders.checks import at_least
from sensorium.fusion.pooling import MeanPool
from sensorium.fusion.slots import Fusion

__all__ = ["PlainConcat"]


class PlainConcat(Fusion):
    """All slots side by side, then a dense layer and ReLU. An absent modality is zeros, as is one that says nothing.

    The textbook's "concatenate, dense": to compare with, or to rebuild such a network. Concat tells an absent modality
    from one of zeros and learns sooner.

    Reference:
        concatenation ("early") fusion, as in Baltrusaitis et al., 2019.

    Args:
        width: of the result.
        token_width: of the tokens; None: width.
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features (token_width wide) -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> import torch
        >>> from sensorium.encoders.features import Features
        >>> fusion = PlainConcat(width=8, token_width=4)
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 8])
    """

    pool = MeanPool

    def __init__(self, width: int = 128, token_width: int | None = None, dropout: float = 0.0):
        super().__init__(width, dropout)
        if token_width is not None:
            self.token_width = at_least("PlainConcat.token_width", token_width)

    def build(self, count: int) -> None:
        self.dense = nn.Linear(count * self.token_width, self.width)

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        return self.dense(slots.masked_fill(~present[..., None], 0).flatten(1)).relu()  # (B, width)
