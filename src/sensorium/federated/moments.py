"""Means and deviations of columns over several sites, from each site's count, mean and sum of squared deviations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Moments", "moments_of", "pooled"]


class Moments(NamedTuple):
    """Of each column: how many numbers there are, their mean, and the sum of their squared distances from it. (D,) each."""

    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray

    @property
    def scale(self) -> np.ndarray:
        """The standard deviation, 1 where all numbers are one."""
        scale = np.sqrt(self.squares / np.maximum(self.count, 1))
        return np.where(scale < 1e-12, 1.0, scale)

    def to_json(self) -> list[list[float]]:
        return [part.tolist() for part in self]


def moments_of(values: np.ndarray) -> Moments:
    """Of values (N, D); NaN and infinities are left out."""
    known = np.isfinite(values)
    count = known.sum(0)
    mean = np.where(known, values, 0.0).sum(0) / np.maximum(count, 1)
    squares = (np.where(known, values - mean, 0.0) ** 2).sum(0)
    return Moments(count.astype(float), mean, squares)


def pooled(parts: Sequence[Moments]) -> Moments:
    """Of all parts' numbers together, as if they had been in one place.

    Reference: Chan, Golub and LeVeque 1979, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances.

    Example:
        >>> a, b = moments_of(np.array([[1.0], [2.0]])), moments_of(np.array([[6.0]]))
        >>> pooled([a, b]).mean
        array([3.])
    """
    whole = parts[0]
    for part in parts[1:]:
        count = whole.count + part.count
        apart, share = part.mean - whole.mean, part.count / np.maximum(count, 1)
        mean = whole.mean + apart * share
        whole = Moments(count, mean, whole.squares + part.squares + apart**2 * whole.count * share)
    return whole
