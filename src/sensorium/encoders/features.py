"""The one contract inside: what goes into an encoder, and what comes out of it."""

from typing import NamedTuple

from torch import Tensor

__all__ = ["Features", "Input"]


class Features(NamedTuple):
    """What an encoder returns: tokens of one width, and which of them are real.

    Shape:
        tokens: (B, T, width) float. mask: (B, T) bool, True where the token is real.
        A row that misses the modality has no True in its mask.
    """

    tokens: Tensor
    mask: Tensor


class Input(NamedTuple):
    """One modality of a batch, as an encoder reads it. B: rows in the batch.

    | modality | values                                      | mask                                  |
    |----------|---------------------------------------------|---------------------------------------|
    | image    | (B, 3, height, width), uint8 or float 0..1  | (B,) the row has an image             |
    | text     | (B, tokens) int64                           | (B, tokens) the token is real         |
    | audio    | (B, samples) float, -1..1                   | (B, samples) the sample is real       |
    | video    | (B, frames, 3, height, width), as image     | (B, frames) the frame is real         |
    | motion   | (B, numbers) float, see VideoMotion         | (B,) the row has a clip               |
    | tabular  | (B, columns) float, a category as its code  | (B, columns) the cell is filled       |
    | vector   | (B, size) float                             | (B,) the row has a vector             |

    A bag of several images, recordings or clips a row has one more dimension after the first, in both.
    True in the mask means real. A row without any True is a row that misses the modality.
    known: what a frozen encoder says of the values, where it was asked before; see `Pretrained.look`.
    """

    values: Tensor
    mask: Tensor
    known: Features | None = None

    def keep(self, rows: Tensor) -> "Input":
        """The input with only these rows (B,) left present."""
        mask, known = (_keep(part, rows) for part in (self.mask, None if self.known is None else self.known.mask))
        return Input(self.values, mask, None if self.known is None else Features(self.known.tokens, known))


def _keep(mask: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if mask is None else mask & rows.reshape(-1, *[1] * (mask.dim() - 1))
