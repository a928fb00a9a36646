"""Video by the motion in its compressed stream, and a few pictures."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.attention import sinusoidal
from sensorium.encoders.checks import at_least, fraction, shaped, sizes
from sensorium.encoders.convolution import Conv2d
from sensorium.encoders.features import Features
from sensorium.encoders.grid import pixels
from sensorium.encoders.image_cnn import ConvStages
from sensorium.encoders.norm import SafeBatchNorm2d
from sensorium.encoders.rows import encode_present
from sensorium.encoders.time_conv import TimeConv

__all__ = ["VideoMotion"]

SLOW = 0.005  # share of the picture a frame: above it motion counts by its logarithm


class VideoMotion(nn.Module):
    """Convolutions on a coarse grid of motion, step by step, then over time; the stages of ImageCNN on a few pictures.

    For actions: it sees what moves where in the whole clip, and learns several times faster than from frames.

    Reference:
        Wu et al., 2018 (CoViAR). Differs: a grid of `grid` x `grid` in place of the full field, no residuals but the
        bytes that frames take, and one network in place of three.

    Args:
        width: size of a token.
        steps: spans of time.
        grid: cells along each side of the picture.
        pictures: pictures of a clip, 0 or more.
        size: (height, width) of a picture in pixels.
        channels: of each stage for the pictures; the grid's convolutions have as many as the first.
        dropout: in [0, 1).

    Shape:
        values: (B, N) float, a clip a row, N = steps * (3 * grid * grid + 1) + pictures * 3 * height * width: for each
        step the motion to the right and down and the share of the area with motion to be told, each (grid, grid); then
        a logarithm of the bytes a frame for each step; then the pictures (3, height, width), 0..1.
        mask: (B,) bool. Tokens: (B, steps + pictures, width).

    Raises:
        ConfigError: a size can't be used; rows of another length.

    Example:
        >>> encoder = VideoMotion(width=16, steps=4, grid=4, pictures=1, size=(16, 16))
        >>> encoder(torch.rand(2, 4 * 49 + 768), torch.tensor([True, False])).tokens.shape
        torch.Size([2, 5, 16])
    """

    mask_dims = 1

    def __init__(
        self,
        width: int = 256,
        steps: int = 16,
        grid: int = 8,
        pictures: int = 4,
        size: tuple[int, int] = (64, 64),
        channels: Sequence[int] = (32, 64, 128),
        dropout: float = 0.1,
    ):
        super().__init__()
        self.width = at_least("VideoMotion.width", width)
        self.steps = at_least("VideoMotion.steps", steps)
        self.grid = at_least("VideoMotion.grid", grid)
        self.pictures = at_least("VideoMotion.pictures", pictures, least=0)
        self.size = sizes("VideoMotion.size", size)
        channels = sizes("VideoMotion.channels", channels)
        fraction("VideoMotion.dropout", dropout)
        self.lengths = [steps * 3 * grid**2, steps, pictures * 3 * self.size[0] * self.size[1]]
        first = channels[0]
        self.moving = nn.Sequential(
            Conv2d(3, first, 3, padding=1, bias=False),
            SafeBatchNorm2d(first),
            nn.ReLU(),
            Conv2d(first, first, 3, padding=1, bias=False),
            SafeBatchNorm2d(first),
            nn.ReLU(),
        )
        self.project = nn.Linear(first * 16, width)
        self.bytes = nn.Linear(1, width)
        self.place = nn.Parameter(sinusoidal(steps + pictures, width))
        self.time = nn.ModuleList(TimeConv(width, width) for _ in range(2))
        if pictures:
            self.stages = ConvStages(channels, stride=2)
            self.seen = nn.Linear(channels[-1] * 16, width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        shaped("VideoMotion's values", values, ("rows", sum(self.lengths)))
        field, bytes_, pictures = values.float().split(self.lengths, dim=1)
        field = field.reshape(-1, 3, self.grid, self.grid)  # (B * steps, 3, grid, grid)
        field = torch.cat([torch.asinh(field[:, :2] / SLOW), field[:, 2:]], 1)
        x = F.adaptive_avg_pool2d(self.moving(field), 4).flatten(1)  # (B * steps, C * 16)
        x = self.project(x).unflatten(0, (-1, self.steps))  # (B, steps, width)
        x = x + self.bytes(bytes_[..., None]) + self.place[: self.steps]
        mask = mask[:, None].expand(-1, self.steps + self.pictures)
        for layer in self.time:
            x = layer(x, mask[:, : self.steps])
        if self.pictures:
            seen = self.stages(pixels("VideoMotion", pictures.reshape(-1, 3, *self.size)))  # (B * pictures, C, H', W')
            seen = self.seen(F.adaptive_avg_pool2d(seen, 4).flatten(1)).unflatten(0, (-1, self.pictures))
            x = torch.cat([x, seen + self.place[self.steps :]], 1)  # (B, steps + pictures, width)
        return Features(self.drop(self.norm(x)), mask)
