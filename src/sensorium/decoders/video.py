"""A vector to a few small frames of a clip."""

import torch
from torch import Tensor

from sensorium.decoders.image import ImageDecoder

__all__ = ["VideoDecoder"]

FRAMES = 4


class VideoDecoder(ImageDecoder):
    """Four evenly spaced frames, 16 pixels on the longer side.

    Args:
        width: of the vector.
        size: (height, width) of the frames in pixels.
        frames: of a clip.

    Shape:
        vector: (B, width). values: (B, F, 3, H, W). mask: (B, F).
    """

    def __init__(self, width: int, size: tuple[int, int], frames: int = 16):
        super().__init__(width, size, pictures=min(FRAMES, frames), most=16)

    def errors(self, made: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        at = torch.linspace(0, values.shape[1] - 1, self.pictures).round().long()
        return super().errors(made, values[:, at], mask[:, at])
