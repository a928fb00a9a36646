"""A two-way GRU that padding can't touch."""

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction

__all__ = ["BiGRU"]


def _reorder(x: Tensor, index: Tensor) -> Tensor:
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[2]))


class BiGRU(nn.Module):
    """Reads the real positions of a sequence forwards and backwards; masked ones are skipped, wherever they are.

    Each row's real positions are moved to the front, so both directions start on a real one and no packing is needed.

    Reference:
        Cho et al., 2014; Schuster and Paliwal, 1997.

    Args:
        size: of an input position.
        hidden: units a direction.
        layers: 1 or more.
        dropout: between layers, in [0, 1).

    Shape:
        x: (B, T, size). mask: (B, T) bool. Returns (B, T, 2 * hidden), 0 where masked.

    Raises:
        ConfigError: a size can't be used.

    Example:
        >>> BiGRU(4, 3)(torch.zeros(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)).shape
        torch.Size([2, 5, 6])
    """

    def __init__(self, size: int, hidden: int, layers: int = 1, dropout: float = 0.0):
        super().__init__()
        at_least("BiGRU.layers", layers)
        at_least("BiGRU.hidden", hidden)
        fraction("BiGRU.dropout", dropout)
        inputs = [size] + [2 * hidden] * (layers - 1)
        self.ahead = nn.ModuleList(nn.GRU(n, hidden, batch_first=True) for n in inputs)
        self.back = nn.ModuleList(nn.GRU(n, hidden, batch_first=True) for n in inputs)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        count = mask.sum(1, keepdim=True)  # (B, 1)
        step = torch.arange(x.shape[1], device=x.device)
        goes = (
            torch.where(mask, mask.cumsum(1), count + (~mask).cumsum(1)) - 1
        )  # (B, T), real ones first, in their order
        front = goes.scatter(1, goes, step.expand_as(goes))  # (B, T), its inverse
        turn = torch.where(step < count, count - 1 - step, step)  # (B, T), the real part reversed; its own inverse
        x = _reorder(x.masked_fill(~mask[..., None], 0), front)
        start = x.new_zeros(1, x.shape[0], self.ahead[0].hidden_size)  # said, as torch's own can't be vectorised over rows
        for i, (ahead, back) in enumerate(zip(self.ahead, self.back, strict=True)):
            if i:
                x = self.drop(x)
            forwards, backwards = ahead(x, start)[0], back(_reorder(x, turn), start)[0]  # each (B, T, hidden)
            x = torch.cat([forwards, _reorder(backwards, turn)], dim=2)  # (B, T, 2 * hidden)
        return _reorder(x, goes).masked_fill(~mask[..., None], 0)
