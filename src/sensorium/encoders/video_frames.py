"""Video by an image network on each frame and attention over time."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.attention import Transformer, sinusoidal
from sensorium.encoders.checks import at_least, fraction, multiple, sizes
from sensorium.encoders.features import Features
from sensorium.encoders.graph import in_graph
from sensorium.encoders.grid import pixels
from sensorium.encoders.image_cnn import ConvStages
from sensorium.encoders.rows import encode_present, encode_real
from sensorium.encoders.time_conv import TimeConv
from sensorium.errors import ConfigError

__all__ = ["VideoFrames"]


class VideoFrames(nn.Module):
    """The stages of ImageCNN on each real frame, its 4 x 4 map kept whole, then a Transformer over the frames.

    The first thing to try on clips: what is seen, and in which order.

    Reference:
        Arnab et al., 2021 (ViViT, model 2: space first, then time). Differs: a CNN for space, and a convolution over
        neighbouring frames before the attention, from which motion is learned several times sooner.

    Args:
        width: size of a token, a multiple of num_heads.
        channels: of each stage of the CNN.
        layers: Transformer blocks.
        num_heads: attention heads.
        max_frames: most frames in a clip.
        dropout: in [0, 1).

    Shape:
        values: (B, F, 3, H, W) uint8 or float 0..1. mask: (B, F) bool. Tokens: (B, F, width).

    Raises:
        ConfigError: a size can't be used; a clip has more than max_frames frames; frames of another shape.

    Example:
        >>> import torch
        >>> clip = torch.rand(1, 5, 3, 32, 32)
        >>> VideoFrames(width=16)(clip, torch.ones(1, 5, dtype=torch.bool)).tokens.shape
        torch.Size([1, 5, 16])
    """

    mask_dims = 2

    def __init__(
        self,
        width: int = 256,
        channels: Sequence[int] = (32, 64, 128),
        layers: int = 2,
        num_heads: int = 4,
        max_frames: int = 64,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.width = multiple("VideoFrames.width", width, "num_heads", num_heads)
        channels = sizes("VideoFrames.channels", channels)
        at_least("VideoFrames.layers", layers)
        self.max_frames = at_least("VideoFrames.max_frames", max_frames)
        fraction("VideoFrames.dropout", dropout)
        self.stages = ConvStages(channels, stride=2)
        self.project = nn.Linear(channels[-1] * 16, width)
        self.place = nn.Parameter(sinusoidal(max_frames, width))
        self.motion = TimeConv(width, width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)
        self.transformer = Transformer(width, layers, num_heads, dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        if not in_graph() and mask[:, self.max_frames :].any():
            longest = int(mask.nonzero()[:, 1].max()) + 1
            raise ConfigError(
                f"VideoFrames.max_frames must be at least the longest clip's frames ({longest}); "
                f"got {self.max_frames}. Take fewer frames, or train with a larger max_frames."
            )
        values, mask = values[:, : self.max_frames], mask[:, : self.max_frames]  # (B, F, ...), only padding cut
        tokens = encode_real(self._see, values, mask)  # (B, F, width)
        tokens = self.motion(tokens, mask) + self.place[: mask.shape[1]]
        return Features(self.transformer(self.drop(self.norm(tokens)), mask), mask)

    def _see(self, frames: Tensor) -> Tensor:
        x = self.stages(pixels("VideoFrames", frames))  # (N, C, H', W')
        return self.project(F.adaptive_avg_pool2d(x, 4).flatten(1))  # (N, width)
