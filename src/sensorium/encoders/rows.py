"""Encoding only the rows that have something: what absent rows hold is never computed with."""

from collections.abc import Callable

import torch
from torch import Tensor

from sensorium.encoders.features import Features
from sensorium.encoders.graph import in_graph

__all__ = ["encode_present", "encode_real", "present_rows", "shown"]


def present_rows(mask: Tensor) -> Tensor:
    """Which rows have anything real.

    Shape:
        mask: (B,) or (B, ...) bool. Returns (B,) bool.
    """
    return mask if mask.dim() == 1 else mask.flatten(1).any(1)  # (B,)


def shown(mask: Tensor) -> Tensor:
    """The mask with rows that have nothing real shown whole: in a graph they are computed, and nothing may be 0 / 0."""
    return mask | ~present_rows(mask).reshape(-1, *[1] * (mask.dim() - 1))


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
    if in_graph():
        tokens, real = encode(values, shown(mask))
        return Features(tokens.masked_fill(~present[:, None, None], 0), real & present[:, None])
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


def encode_real(encode: Callable[[Tensor], Tensor], values: Tensor, mask: Tensor) -> Tensor:
    """Runs `encode` on the real positions of sequences, whatever row they are of; the others are zeros.

    Args:
        encode: (N, ...) positions -> (N, ...), any other shape.
        values: (B, T, ...).
        mask: (B, T) bool.

    Example:
        >>> encode_real(lambda x: x + 1, torch.tensor([[1.0, 2.0]]), torch.tensor([[True, False]]))
        tensor([[2., 0.]])
    """
    if in_graph():
        made = encode(values.flatten(0, 1)).unflatten(0, mask.shape)  # (B, T, ...)
        return made.masked_fill(~mask.view(*mask.shape, *[1] * (made.dim() - 2)), 0)
    made = encode(values[mask])  # (real positions, ...)
    out = made.new_zeros(*mask.shape, *made.shape[1:])  # (B, T, ...)
    out[mask] = made
    return out
