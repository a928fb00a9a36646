"""Token ids made safe to look up."""

from torch import Tensor

__all__ = ["PADDING", "UNKNOWN", "known_ids"]

PADDING, UNKNOWN = 0, 1


def known_ids(values: Tensor, mask: Tensor, vocabulary: int) -> Tensor:
    """Padding where the mask is False, unknown where an id lies outside the vocabulary.

    Shape:
        values: (B, T) integer. mask: (B, T) bool. Returns (B, T) int64.

    Example:
        >>> import torch
        >>> known_ids(torch.tensor([[3, 99, -7]]), torch.tensor([[True, True, False]]), vocabulary=10)
        tensor([[3, 1, 0]])
    """
    ids = values.long()
    return ids.masked_fill((ids < 0) | (ids >= vocabulary), UNKNOWN).masked_fill(~mask, PADDING)
