"""Images by convolutions, flattened into one dense layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least, shaped, sizes
from sensorium.encoders.convolution import Conv2d
from sensorium.encoders.features import Features
from sensorium.encoders.graph import in_graph
from sensorium.encoders.rows import encode_present
from sensorium.errors import ConfigError

__all__ = ["ImageFlatCNN"]


class ImageFlatCNN(nn.Module):
    """One 3 x 3 convolution without padding, ReLU and 2 x 2 max-pooling a stage; then all of it into a dense layer.

    The textbook network, for pictures of one size. Nearly all its parameters are in the dense layer (12 million at
    224 x 224); ImageCNN learns more from fewer rows.

    Reference:
        LeCun et al., 1998 (LeNet-5), with ReLU and max-pooling. Pixels stay in 0..1.

    Args:
        width: size of the token.
        size: (height, width) in pixels.
        channels: feature maps of each stage.

    Shape:
        values: (B, 3, *size) uint8 or float 0..1. mask: (B,) bool. Tokens: (B, 1, width), 0 or more each.

    Raises:
        ConfigError: a size can't be used; images of another shape.

    Example:
        >>> encoder = ImageFlatCNN(width=64, size=(224, 224))
        >>> encoder(torch.rand(1, 3, 224, 224), torch.tensor([True])).tokens.shape, encoder.dense.in_features
        (torch.Size([1, 1, 64]), 186624)
    """

    mask_dims = 1

    def __init__(self, width: int = 64, size: tuple[int, int] = (224, 224), channels: Sequence[int] = (32, 64)):
        super().__init__()
        self.width = at_least("ImageFlatCNN.width", width)
        self.size = sizes("ImageFlatCNN.size", size)
        channels = sizes("ImageFlatCNN.channels", channels)
        height, across = self.size
        for _ in channels:
            height, across = (height - 2) // 2, (across - 2) // 2
        if min(height, across) < 1:
            raise ConfigError(
                f"ImageFlatCNN.size is too small for {len(channels)} stages; got {self.size}. "
                "Give larger pictures or fewer channels."
            )
        layers: list[nn.Module] = []
        for before, out in zip((3, *channels[:-1]), channels, strict=True):
            # ReLU of the largest is the largest of the ReLUs, and has a quarter of the numbers to look at.
            layers += [Conv2d(before, out, 3), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        self.stages = nn.Sequential(*layers)
        self.dense = nn.Linear(channels[-1] * height * across, width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        shaped("ImageFlatCNN's values", values, ("rows", 3, *self.size))
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        if not in_graph():
            values = values.contiguous(memory_format=torch.channels_last)  # where convolutions and pools are faster
        x = values.float() / 255 if values.dtype == torch.uint8 else values
        x = self.dense(self.stages(x).flatten(1)).relu()  # (B, width)
        return Features(x[:, None], mask[:, None])  # (B, 1, width), (B, 1)
