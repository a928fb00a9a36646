"""Convolution and pooling over time that padding can't touch."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.convolution import Conv1d
from sensorium.encoders.graph import groups, in_graph
from sensorium.encoders.norm import MaskedBatchNorm

__all__ = ["TimeConv", "pool_time"]


def pool_time(x: Tensor, mask: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """The largest real value of every `factor` positions; a pooled position is real if any of them is.

    Shape:
        x: (B, T, C). mask: (B, T) bool. Returns (B, ceil(T / factor), C) and its mask.

    Example:
        >>> x, mask = torch.tensor([[[-1.0], [-2.0], [9.0]]]), torch.tensor([[True, True, False]])
        >>> pool_time(x, mask, 2)[0].flatten()
        tensor([-1.,  0.])
    """
    if in_graph():  # of any length: the last position once more fills the last group up
        place = groups(x.shape[1], factor).clamp(max=x.shape[1] - 1)  # (T', factor)
        x, mask = x.masked_fill(~mask[..., None], -math.inf)[:, place].amax(2), mask[:, place].any(2)  # (B, T', C)
        return x.masked_fill(~mask[..., None], 0), mask
    x = x.masked_fill(~mask[..., None], -math.inf).transpose(1, 2)  # (B, C, T)
    x = F.max_pool1d(x, factor, ceil_mode=True).transpose(1, 2)  # (B, T', C)
    mask = F.max_pool1d(mask[:, None].float(), factor, ceil_mode=True)[:, 0] > 0  # (B, T')
    return x.masked_fill(~mask[..., None], 0), mask


class TimeConv(nn.Module):
    """Two convolutions over time with masked batch norm, and a residual. Masked positions go in and come out as 0.

    Reference:
        He et al., 2016, in one dimension.

    Args:
        channels: in.
        out: channels out.
        kernel_size: odd, in positions.
        dropout: in [0, 1), between the two.

    Shape:
        x: (B, T, channels), 0 where masked. mask: (B, T) bool. Returns (B, T, out).

    Example:
        >>> TimeConv(4, 8)(torch.zeros(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, channels: int, out: int, kernel_size: int = 3, dropout: float = 0.0):
        super().__init__()
        self.conv1 = Conv1d(channels, out, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm1 = MaskedBatchNorm(out)
        self.drop = nn.Dropout(dropout)
        self.conv2 = Conv1d(out, out, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm2 = MaskedBatchNorm(out)
        self.skip = nn.Identity() if channels == out else nn.Linear(channels, out, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.conv1(x.transpose(1, 2)).transpose(1, 2)  # (B, T, out)
        y = self.drop(self.norm1(y, mask).relu())
        y = self.conv2(y.transpose(1, 2)).transpose(1, 2)  # (B, T, out)
        return torch.relu(self.norm2(y, mask) + self.skip(x))
