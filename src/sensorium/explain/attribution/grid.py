"""Cells of a coarse grid over pixels, and back."""

import torch
from torch import Tensor

__all__ = ["cells", "spread"]


def cells(height: int, width: int, rows: int, columns: int) -> Tensor:
    """The number of the cell of a grid in which each pixel lies, row by row: (height, width)."""
    down, across = torch.arange(height) * rows // height, torch.arange(width) * columns // width
    return down[:, None] * columns + across


def spread(found: Tensor, height: int, width: int) -> Tensor:
    """What each cell has, in equal parts on its pixels: (N, rows, columns) -> (N, height, width), the same sum.

    Example:
        >>> spread(torch.tensor([[[4.0, 8.0]]]), 2, 4)[0].tolist()
        [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """
    of = cells(height, width, *found.shape[1:])
    sizes = of.flatten().bincount(minlength=found[0].numel())
    return (found.flatten(1) / sizes.clamp(min=1))[:, of]
