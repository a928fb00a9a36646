"""Images by a Vision Transformer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.encoders.attention import Transformer
from sensorium.encoders.checks import at_least, fraction, multiple, sizes
from sensorium.encoders.convolution import Conv2d
from sensorium.encoders.features import Features
from sensorium.encoders.grid import pixels
from sensorium.encoders.rows import encode_present
from sensorium.errors import ConfigError

__all__ = ["ImageViT"]


class ImageViT(nn.Module):
    """Patches of an image as tokens of a Transformer, for images of one size.

    It wants more data than the convolutions: from scratch, several thousand images.

    Reference:
        Dosovitskiy et al., 2021. Differs: no class token (the fusion pools), and a light Transformer.

    Args:
        width: size of a token, a multiple of num_heads.
        size: height and width of the images in pixels, multiples of patch_size.
        patch_size: side of a patch in pixels.
        layers: Transformer blocks.
        num_heads: attention heads.
        dropout: in [0, 1).

    Shape:
        values: (B, 3, *size) uint8 or float 0..1. mask: (B,) bool. Tokens: (B, patches, width).

    Raises:
        ConfigError: a size can't be used; images of another size.

    Example:
        >>> ImageViT(width=16, size=(32, 48))(torch.rand(2, 3, 32, 48), torch.tensor([True, False])).tokens.shape
        torch.Size([2, 24, 16])
    """

    mask_dims = 1

    def __init__(
        self,
        width: int = 256,
        size: Sequence[int] = (64, 64),
        patch_size: int = 8,
        layers: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.width = multiple("ImageViT.width", width, "num_heads", num_heads)
        self.size = sizes("ImageViT.size", size)
        if len(self.size) != 2:
            raise ConfigError(f"ImageViT.size must be two numbers, height and width; got {size!r}.")
        rows, columns = (
            multiple(f"ImageViT.size ({side})", pixels_, "patch_size", patch_size) // patch_size
            for side, pixels_ in zip(("height", "width"), self.size, strict=True)
        )
        at_least("ImageViT.layers", layers)
        fraction("ImageViT.dropout", dropout)
        self.patch = Conv2d(3, width, patch_size, stride=patch_size)
        self.place = nn.Parameter(
            torch.randn(rows * columns, width) * 0.5
        )  # as large as a patch: places are learned at once
        self.transformer = Transformer(width, layers, num_heads, dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        x = pixels("ImageViT", values)
        if tuple(x.shape[2:]) != self.size:
            raise ConfigError(f"ImageViT must be given images of {self.size}, its size; got {tuple(x.shape[2:])}.")
        x = self.patch(x).flatten(2).transpose(1, 2) + self.place  # (B, patches, width)
        real = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        return Features(self.transformer(x, real), real)
