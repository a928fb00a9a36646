"""Arrays of several lengths as one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["pad"]


def pad(items: Sequence[np.ndarray | None], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Arrays (length, ...) of several lengths as one (B, longest, ...) and its mask (B, longest)."""
    longest = max([1, *(len(item) for item in items if item is not None)])
    shape = next((item.shape[1:] for item in items if item is not None), ())
    values = np.zeros((len(items), longest, *shape), dtype=dtype)
    mask = np.zeros((len(items), longest), dtype=bool)
    for i, item in enumerate(items):
        if item is not None:
            values[i, : len(item)], mask[i, : len(item)] = item, True
    return values, mask
