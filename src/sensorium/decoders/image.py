"""A vector to a small picture, by transposed convolutions."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.decoders.standard import Standard
from sensorium.encoders.checks import at_least, sizes

__all__ = ["ImageDecoder", "Upsampling"]

CHANNELS = 64  # of the smallest map; halved from one to the next


class Upsampling(nn.Module):
    """A vector to a map, whose sides three transposed convolutions double.

    Reference:
        Zeiler et al. 2010; Dumoulin and Visin 2016: each is the adjoint of the convolution of its weights.

    Args:
        width: of the vector.
        out: channels of the map.
        size: its sides, each a multiple of 8: two for a picture, one for a sound.

    Shape:
        (B, width) -> (B, out, *size).
    """

    def __init__(self, width: int, out: int, size: tuple[int, ...]):
        super().__init__()
        layer = (nn.ConvTranspose1d, nn.ConvTranspose2d)[len(size) - 1]
        self.grid = [side // 8 for side in size]
        self.first = nn.Linear(width, CHANNELS * int(torch.tensor(self.grid).prod()))
        channels = (CHANNELS, CHANNELS // 2, CHANNELS // 4, out)
        self.layers = nn.ModuleList(
            layer(before, after, kernel_size=4, stride=2, padding=1) for before, after in pairwise(channels)
        )

    def forward(self, vector: Tensor) -> Tensor:
        x = self.first(vector).reshape(len(vector), CHANNELS, *self.grid)  # (B, 64, size / 8)
        for layer in self.layers:
            x = layer(F.gelu(x))
        return x


class ImageDecoder(nn.Module):
    """What a picture looks like at low size, standardised.

    Args:
        width: of the vector.
        size: (height, width) of the pictures in pixels.
        pictures: as many at once, as the frames of a clip.
        most: pixels of the longer side that is rebuilt, 8 or more.

    Shape:
        vector: (B, width). Returns (B, 3 * pictures, h, w). values: (B, 3, H, W) uint8 or float 0..1, mask: (B,), all
        True; with several pictures (B, pictures, 3, H, W) and (B, pictures).
    """

    def __init__(self, width: int, size: tuple[int, int], pictures: int = 1, most: int = 32):
        super().__init__()
        at_least("ImageDecoder.width", width)
        scale = min(1.0, most / max(sizes("ImageDecoder.size", size)))
        self.size = tuple(max(8, round(side * scale / 8) * 8) for side in size)
        self.pictures = at_least("ImageDecoder.pictures", pictures)
        self.up = Upsampling(width, 3 * pictures, self.size)
        self.standard = Standard(3)

    def forward(self, vector: Tensor) -> Tensor:
        return self.up(vector)  # (B, 3 * pictures, h, w)

    def errors(self, made: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """(B,) the mean squared error over the pixels of the pictures that are there."""
        real = mask.reshape(len(values), -1)  # (B, pictures)
        small = values.reshape(-1, *values.shape[-3:]).float()  # (B * pictures, 3, H, W)
        small = F.adaptive_avg_pool2d(small / 255 if values.dtype == torch.uint8 else small, self.size)
        there = real.reshape(-1, 1, 1).expand(-1, *self.size)
        target = self.standard(small.permute(0, 2, 3, 1), there).permute(0, 3, 1, 2)  # (B * pictures, 3, h, w)
        wrong = (made.reshape(target.shape) - target).square().mean((1, 2, 3)).reshape(real.shape)  # (B, pictures)
        return (wrong * real).sum(1) / real.sum(1).clamp(min=1)
