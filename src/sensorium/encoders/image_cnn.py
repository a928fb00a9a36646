"""Images by a plain convolutional network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least, fraction, sizes
from sensorium.encoders.convolution import Conv2d
from sensorium.encoders.features import Features
from sensorium.encoders.grid import GridTokens, pixels
from sensorium.encoders.norm import SafeBatchNorm2d
from sensorium.encoders.rows import encode_present

__all__ = ["ConvStages", "ImageCNN"]


def _conv(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        Conv2d(channels, out, 3, stride=stride, padding=1, bias=False), SafeBatchNorm2d(out), nn.ReLU()
    )


class ConvStages(nn.Module):
    """The convolutions of ImageCNN, up to the last feature map.

    Args:
        channels: of each stage.
        stride: of the first convolution.

    Shape:
        (N, 3, H, W) float -> (N, channels[-1], H', W').
    """

    def __init__(self, channels: Sequence[int], stride: int = 1):
        super().__init__()
        before = (3, *channels[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(_conv(c, out, 1 if i else stride), _conv(out, out))
            for i, (c, out) in enumerate(zip(before, channels, strict=True))
        )

    def forward(self, x: Tensor) -> Tensor:
        for i, stage in enumerate(self.stages):
            if i:
                x = F.max_pool2d(x, 2, ceil_mode=True)  # (N, C, H / 2, W / 2)
            x = stage(x)  # (N, channels[i], H, W)
        return x


class ImageCNN(nn.Module):
    """Two 3 x 3 convolutions a stage, max-pooling between stages, at most 4 x 4 tokens.

    The first thing to try on images: it learns from a few hundred rows and takes any size from 8 x 8.

    Reference:
        Simonyan and Zisserman, 2015 (VGG), with batch norm. Differs: three small stages, and no dense layers.

    Args:
        width: size of a token.
        channels: of each stage.
        dropout: in [0, 1).
        stride: of the first convolution; 2 is four times cheaper, for large images.

    Shape:
        values: (B, 3, H, W) uint8 or float 0..1. mask: (B,) bool. Tokens: (B, up to 16, width).

    Raises:
        ConfigError: a size can't be used; images of another shape.

    Example:
        >>> ImageCNN(width=16)(torch.rand(2, 3, 32, 32), torch.tensor([True, False])).tokens.shape
        torch.Size([2, 16, 16])
    """

    mask_dims = 1

    def __init__(
        self, width: int = 256, channels: Sequence[int] = (32, 64, 128), dropout: float = 0.1, stride: int = 1
    ):
        super().__init__()
        self.width = at_least("ImageCNN.width", width)
        channels = sizes("ImageCNN.channels", channels)
        fraction("ImageCNN.dropout", dropout)
        at_least("ImageCNN.stride", stride)
        self.stages = ConvStages(channels, stride)
        self.head = GridTokens(channels[-1], width, dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        tokens = self.head(self.stages(pixels("ImageCNN", values)))  # (B, T, width)
        return Features(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device))
