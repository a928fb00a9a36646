"""A vector to the numbers of another."""

import torch
from torch import Tensor, nn

from sensorium.decoders.standard import Standard
from sensorium.encoders.checks import at_least

__all__ = ["MotionDecoder", "VectorDecoder"]

SLOW = 0.005  # share of the picture a frame, as in VideoMotion


class VectorDecoder(nn.Module):
    """Standardised numbers, by one hidden layer.

    Args:
        width: of the vector.
        size: numbers.

    Shape:
        vector: (B, width). Returns (B, size). values: (B, size) float. mask: (B,).
    """

    def __init__(self, width: int, size: int):
        super().__init__()
        at_least("VectorDecoder.width", width)
        at_least("VectorDecoder.size", size)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, size))

    def forward(self, vector: Tensor) -> Tensor:
        return self.layers(vector)  # (B, size)

    def errors(self, made: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """(B,) the mean squared error."""
        return (made - values.float()).square().mean(1)


class MotionDecoder(VectorDecoder):
    """The field of motion of a clip, standardised; its pictures and bytes are left out.

    Args:
        width: of the vector.
        size: numbers of the field, which come first in a row.

    Shape:
        as VectorDecoder; values: (B, size or more).
    """

    def __init__(self, width: int, size: int):
        super().__init__(width, size)
        self.standard = Standard(size)

    def errors(self, made: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        field = torch.asinh(values[:, : made.shape[1]].float() / SLOW)
        return super().errors(made, self.standard(field), mask)
