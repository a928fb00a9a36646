"""Encoding only the rows that have something: what absent rows hold is never computed with."""

from collections.abc import Callable

import torch
from torch import Tensor

from sensorium.encoders.features import Features

__all__ = ["encode_present", "present_rows"]


def present_rows(mask: Tensor) -> Tensor:
    """Which rows have anything real.

    Shape:
        mask: (B,) or (B, ...) bool. Returns (B,) bool.
    """
    return mask if mask.dim() == 1 else mask.flatten(1).any(1)  # (B,)


def encode_present(encode: Callable[[Tensor, Tensor], Features], values: Tensor, mask: Tensor, width: int) -> Features:
    """Runs `encode` on the rows with anything real, and puts its tokens back in their rows; the others get zeros.

    Batch statistics, attention and time are thus spent on real rows alone. Where no row is present, one masked token.

    Args:
        encode: (values, mask) of some rows -> their Features.
        values: as in Input.
        mask: as in Input.
        width: the width of the tokens.

    Example:
        >>> values, mask = torch.tensor([[1.0], [float("nan")]]), torch.tensor([True, False])
        >>> encode_present(lambda v, m: Features(v[:, None], m[:, None]), values, mask, 1).tokens.flatten()
        tensor([1., 0.])
    """
    present = present_rows(mask)
    rows = len(present)
    if not present.any():
        return Features(
            torch.zeros(rows, 1, width, device=values.device),
            torch.zeros(rows, 1, dtype=torch.bool, device=values.device),
        )
    if present.all():
        return encode(values, mask)
    part = encode(values[present], mask[present])  # (P, T, width)
    tokens = part.tokens.new_zeros(rows, *part.tokens.shape[1:])  # (B, T, width)
    real = part.mask.new_zeros(rows, part.mask.shape[1])  # (B, T)
    tokens[present] = part.tokens
    real[present] = part.mask
    return Features(tokens, real)
