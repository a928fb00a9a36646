"""Round numbers for an axis."""

from collections.abc import Sequence

import numpy as np

__all__ = ["ticks"]


def ticks(values: Sequence[float], count: int = 6) -> np.ndarray:
    """About `count` round numbers, evenly spaced, from below the least value to above the greatest.

    Example:
        >>> ticks([0.13, 0.52]).round(3).tolist()
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    wide = max(high - low, 1e-6)
    power = 10 ** np.floor(np.log10(wide / count))
    step = next(power * unit for unit in (1, 2, 5, 10) if wide / (power * unit) <= count)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return np.arange(first, max(last, first + 1) + 1) * step
