"""Numbers as a network likes them: the value, where it lies, and waves of it."""

import math

import torch
from torch import Tensor, nn

__all__ = ["NumberEmbedding"]

LIMIT = 10.0
KNOTS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


class NumberEmbedding(nn.Module):
    """Each column of standardised numbers to an embedding of its own.

    Reference:
        Gorishniy et al., 2022, "On Embeddings for Numerical Features": piecewise-linear and periodic features, then a
        linear layer and ReLU a column. Differs: both at once; knots at fixed places of the standardised value.

    Args:
        columns: how many.
        size: of each embedding.
        waves: periodic features a column.

    Shape:
        values: (B, columns), standardised, clamped to -10..10. Returns (B, columns, size).

    Example:
        >>> NumberEmbedding(columns=2, size=8)(torch.zeros(3, 2)).shape
        torch.Size([3, 2, 8])
    """

    def __init__(self, columns: int, size: int, waves: int = 8):
        super().__init__()
        self.register_buffer("knots", torch.tensor(KNOTS), persistent=False)
        self.rate = nn.Parameter(torch.randn(columns, waves) * 0.3)  # waves a standard deviation
        features = 1 + len(KNOTS) - 1 + 2 * waves
        self.weight = nn.Parameter(torch.randn(columns, features, size) / math.sqrt(features))
        self.bias = nn.Parameter(torch.zeros(columns, size))

    def forward(self, values: Tensor) -> Tensor:
        x = values.clamp(-LIMIT, LIMIT)[..., None]  # (B, columns, 1)
        low, high = self.knots[:-1], self.knots[1:]
        pieces = ((x - low) / (high - low)).clamp(0, 1)  # (B, columns, knots - 1)
        angle = 2 * math.pi * self.rate * x  # (B, columns, waves)
        features = torch.cat([x, pieces, angle.sin(), angle.cos()], dim=-1)  # (B, columns, features)
        return (torch.einsum("bcf,cfs->bcs", features, self.weight) + self.bias).relu()  # (B, columns, size)
