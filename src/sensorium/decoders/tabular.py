"""A vector to the numbers and categories of a row."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least, sizes

__all__ = ["TabularDecoder"]


class TabularDecoder(nn.Module):
    """Each number, and the logits of each column's categories.

    Args:
        width: of the vector.
        numeric: columns of numbers, 0 or more; they come first.
        categories: known categories of each column of codes, which come after the numbers.

    Shape:
        vector: (B, width). Returns (B, numeric + sum(categories + 1)). values, mask: (B, columns), as `Tabular` reads
        them.
    """

    def __init__(self, width: int, numeric: int = 0, categories: Sequence[int] = ()):
        super().__init__()
        at_least("TabularDecoder.width", width)
        self.numeric = at_least("TabularDecoder.numeric", numeric, 0)
        known = sizes("TabularDecoder.categories", categories) if len(categories) else ()
        self.parts = [self.numeric, *(count + 1 for count in known)]
        self.layers = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, sum(self.parts)))

    def forward(self, vector: Tensor) -> Tensor:
        return self.layers(vector)

    def errors(self, made: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """(B,) the mean over filled cells of the squared error, or of the cross-entropy by that of a guess."""
        numbers, *logits = made.split(self.parts, dim=1)
        columns = [(numbers - values[:, : self.numeric]).square()]  # (B, numeric)
        codes = values[:, self.numeric :].round().long()
        for place, scores in enumerate(logits):
            code = codes[:, place]
            code = code.masked_fill((code < 0) | (code >= scores.shape[1]), 0)
            wrong = F.cross_entropy(scores, code, reduction="none") / math.log(scores.shape[1])
            columns.append(wrong[:, None])
        return (torch.cat(columns, 1) * mask).sum(1) / mask.sum(1).clamp(min=1)
