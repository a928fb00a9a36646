"""Images by a residual convolutional network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction, sizes
from sensorium.encoders.convolution import Conv2d
from sensorium.encoders.features import Features
from sensorium.encoders.grid import GridTokens, pixels
from sensorium.encoders.norm import SafeBatchNorm2d
from sensorium.encoders.rows import encode_present

__all__ = ["ImageResNet"]


class _Block(nn.Module):
    def __init__(self, channels: int, out: int, stride: int):
        super().__init__()
        self.main = nn.Sequential(
            Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
            SafeBatchNorm2d(out),
            nn.ReLU(),
            Conv2d(out, out, 3, padding=1, bias=False),
            SafeBatchNorm2d(out),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.skip = nn.Sequential(Conv2d(channels, out, 1, stride=stride, bias=False), SafeBatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.skip(x))  # (N, out, H / stride, W / stride)


class ImageResNet(nn.Module):
    """A small ResNet: deeper than ImageCNN, for a few thousand images or more.

    Reference:
        He et al., 2016. Differs: a 3 x 3 stem of stride 2 without pooling, for images of 32 to 128 pixels.

    Args:
        width: size of a token.
        channels: of each stage; every stage but the first halves height and width.
        blocks: residual blocks a stage.
        dropout: in [0, 1).

    Shape:
        values: (B, 3, H, W) uint8 or float 0..1. mask: (B,) bool. Tokens: (B, up to 16, width).

    Raises:
        ConfigError: a size can't be used; images of another shape.

    Example:
        >>> ImageResNet(width=16)(torch.rand(2, 3, 64, 64), torch.tensor([True, False])).tokens.shape
        torch.Size([2, 16, 16])
    """

    mask_dims = 1

    def __init__(
        self,
        width: int = 256,
        channels: Sequence[int] = (32, 64, 128, 256),
        blocks: int = 2,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.width = at_least("ImageResNet.width", width)
        channels = sizes("ImageResNet.channels", channels)
        at_least("ImageResNet.blocks", blocks)
        fraction("ImageResNet.dropout", dropout)
        first = channels[0]
        self.stem = nn.Sequential(
            Conv2d(3, first, 3, stride=2, padding=1, bias=False), SafeBatchNorm2d(first), nn.ReLU()
        )
        stages: list[nn.Module] = []
        before = first
        for i, out in enumerate(channels):
            stages.append(_Block(before, out, stride=2 if i else 1))
            stages.extend(_Block(out, out, stride=1) for _ in range(blocks - 1))
            before = out
        self.stages = nn.Sequential(*stages)
        self.head = GridTokens(before, width, dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        x = self.stages(self.stem(pixels("ImageResNet", values)))  # (B, C, H', W')
        tokens = self.head(x)  # (B, T, width)
        return Features(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device))
