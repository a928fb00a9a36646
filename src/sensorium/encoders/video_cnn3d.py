"""Video by convolutions over space and time."""

import math
from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least, fraction, sizes
from sensorium.encoders.convolution import Conv3d
from sensorium.encoders.features import Features
from sensorium.encoders.grid import pixels
from sensorium.encoders.norm import MaskedBatchNorm
from sensorium.encoders.rows import encode_present, encode_real

__all__ = ["VideoCNN3D"]


class _Stage(nn.Module):
    """Conv3d, masked batch norm, ReLU, frame by frame 0 where masked."""

    def __init__(self, channels: int, out: int, stride: int):
        super().__init__()
        self.conv = Conv3d(channels, out, 3, stride=(1, stride, stride), padding=1, bias=False)
        self.norm = MaskedBatchNorm(out)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.conv(x).permute(0, 2, 3, 4, 1)  # (B, T, H, W, out)
        return self.norm(x, mask).relu().permute(0, 4, 1, 2, 3)  # (B, out, T, H, W)


def _pool(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Halves time, height and width; a pooled moment is real if either of its two is."""
    x = F.max_pool3d(x.masked_fill(~mask[:, None, :, None, None], -math.inf), 2, ceil_mode=True)
    mask = F.max_pool1d(mask[:, None].float(), 2, ceil_mode=True)[:, 0] > 0  # (B, T / 2)
    return x.masked_fill(~mask[:, None, :, None, None], 0), mask


class VideoCNN3D(nn.Module):
    """3 x 3 x 3 convolutions: for motion, which no single frame shows.

    Reference:
        Tran et al., 2015 (C3D). Differs: small, with batch norm, and any number of frames.

    Args:
        width: size of a token.
        channels: of each stage; between stages time, height and width are halved.
        dropout: in [0, 1).

    Shape:
        values: (B, F, 3, H, W) uint8 or float 0..1. mask: (B, F) bool. Tokens: (B, T, width), T = F / 4 by default.

    Raises:
        ConfigError: a size can't be used; frames of another shape.

    Example:
        >>> import torch
        >>> clip = torch.rand(1, 8, 3, 32, 32)
        >>> VideoCNN3D(width=16)(clip, torch.ones(1, 8, dtype=torch.bool)).tokens.shape
        torch.Size([1, 2, 16])
    """

    mask_dims = 2

    def __init__(self, width: int = 256, channels: Sequence[int] = (24, 48, 96), dropout: float = 0.1):
        super().__init__()
        self.width = at_least("VideoCNN3D.width", width)
        channels = sizes("VideoCNN3D.channels", channels)
        fraction("VideoCNN3D.dropout", dropout)
        before = (3, *channels[:-1])
        self.stages = nn.ModuleList(
            _Stage(c, out, stride=1 if i else 2) for i, (c, out) in enumerate(zip(before, channels, strict=True))
        )
        self.drop = nn.Dropout(dropout)
        self.project = nn.Linear(channels[-1] * 16, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        x = encode_real(partial(pixels, "VideoCNN3D"), values, mask)  # (B, F, 3, H, W)
        x = x.transpose(1, 2)  # (B, 3, F, H, W)
        for i, stage in enumerate(self.stages):
            if i:
                x, mask = _pool(x, mask)  # (B, C, T / 2, H / 2, W / 2)
            x = stage(x, mask)
        x = F.adaptive_avg_pool2d(x.transpose(1, 2).flatten(0, 1), 4)  # (B * T, C, 4, 4)
        x = self.drop(x.flatten(1).unflatten(0, mask.shape))  # (B, T, C * 16)
        x = self.norm(self.project(x))  # (B, T, width)
        return Features(x.masked_fill(~mask[..., None], 0), mask)
