"""What the image encoders share: pixels to floats, and a feature map to tokens that know where they are."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.graph import in_graph
from sensorium.errors import ConfigError

__all__ = ["GridTokens", "pixels"]


def pixels(name: str, images: Tensor) -> Tensor:
    """uint8 0..255 or float 0..1 to float about -2..2; channels last in memory, where convolutions are faster.

    Shape:
        (N, 3, H, W) in and out, H and W 8 or more.

    Raises:
        ConfigError: another shape.

    Example:
        >>> pixels("ImageCNN", torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)).max()
        tensor(2.)
    """
    if images.dim() != 4 or images.shape[1] != 3 or min(images.shape[2:]) < 8:
        raise ConfigError(
            f"{name} must be given images of 3 channels, 8 x 8 pixels or more: (rows, 3, height, width); "
            f"got {tuple(images.shape)}."
        )
    if not in_graph():
        images = images.contiguous(memory_format=torch.channels_last)
    if images.dtype == torch.uint8:
        images = images.float() / 255
    return (images - 0.5) / 0.25


class GridTokens(nn.Module):
    """A feature map to at most 4 x 4 tokens, each with its place in it.

    The place is added before a small MLP: after a mean over the tokens, what was where can still be told.

    Args:
        channels: of the feature map.
        width: size of a token.
        dropout: in [0, 1).

    Shape:
        (N, channels, H, W) -> (N, min(H, 4) * min(W, 4), width).
    """

    def __init__(self, channels: int, width: int, dropout: float = 0.1):
        super().__init__()
        self.project = nn.Linear(channels, width)
        self.place = nn.Parameter(torch.randn(width, 4, 4) * 0.2)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        grid = min(x.shape[2], 4), min(x.shape[3], 4)
        x = F.adaptive_avg_pool2d(x, grid).flatten(2).transpose(1, 2)  # (N, T, channels)
        place = F.adaptive_avg_pool2d(self.place, grid).flatten(1).T  # (T, width)
        x = self.project(x) + place  # (N, T, width)
        return self.norm(x + self.mlp(x))
