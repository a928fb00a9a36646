"""Rare classes: weights and shares by their counts, and orders of rows in which they come more often."""

from collections.abc import Sequence

import numpy as np

from sensorium.data.batches import EpochSampler
from sensorium.data.table import PLACE

__all__ = ["SAMPLERS", "OverSampler", "UnderSampler", "WeightedSampler", "effective_weights", "log_shares"]


def effective_weights(counts: Sequence[int], beta: float) -> list[float]:
    """Weights by the inverse effective number of rows, mean 1 over rows: from even (beta 0) to inverse frequency (near 1).

    Reference:
        Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples: (1 - beta) / (1 - beta^n).

    Args:
        counts: rows of each class, 1 or more.
        beta: in [0, 1).

    Example:
        >>> effective_weights([1, 3], 0.0)
        [1.0, 1.0]
    """
    rows = np.asarray(counts, dtype=float)
    weights = 1 / (1 - np.float64(beta) ** rows)  # 1 - beta is a common factor
    return [float(weight) for weight in weights * rows.sum() / (weights * rows).sum()]


def log_shares(counts: Sequence[int]) -> list[float]:
    """The log of each class' share of the rows.

    Example:
        >>> log_shares([1, 1])
        [-0.6931471805599453, -0.6931471805599453]
    """
    rows = np.asarray(counts, dtype=float)
    return [float(value) for value in np.log(rows / rows.sum())]


class _ClassSampler(EpochSampler):
    """An order by the rows' classes that depends on the seed and the epoch alone.

    Args:
        classes: (N,) class numbers; below 0 where a row has none: it comes once an epoch.
        seed: 0 or more.
    """

    def __init__(self, classes: np.ndarray, seed: int):
        classes = np.asarray(classes)
        self.groups = [np.flatnonzero(classes == place) for place in np.unique(classes[classes >= 0])]
        self.others = np.flatnonzero(classes < 0)
        self.counts = [len(group) for group in self.groups]
        super().__init__(self.drawn() + len(self.others), seed)

    def order(self) -> np.ndarray:
        random = np.random.default_rng([self.seed, self.epoch])
        found = np.concatenate([*self.draw(random), self.others])
        return random.permutation(found).astype(PLACE)

    def drawn(self) -> int:
        """Rows with a class in an epoch."""
        raise NotImplementedError

    def draw(self, random: np.random.Generator) -> list[np.ndarray]:
        """Them, in any order."""
        raise NotImplementedError


class WeightedSampler(_ClassSampler):
    """As many rows as there are, each drawn with replacement: every class is as likely, and so is each of its rows.

    Example:
        >>> len(WeightedSampler(np.array([0, 0, 0, 1]), seed=0).order())
        4
    """

    def drawn(self) -> int:
        return sum(self.counts)

    def draw(self, random: np.random.Generator) -> list[np.ndarray]:
        times = random.multinomial(self.drawn(), [1 / len(self.groups)] * len(self.groups))
        return [random.choice(group, count) for group, count in zip(self.groups, times, strict=True)]


class OverSampler(_ClassSampler):
    """Every row at least once; those of smaller classes again until each class has as many as the largest.

    Example:
        >>> sorted(OverSampler(np.array([0, 0, 0, 1]), seed=0).order().tolist())
        [0, 1, 2, 3, 3, 3]
    """

    def drawn(self) -> int:
        return max(self.counts, default=0) * len(self.counts)

    def draw(self, random: np.random.Generator) -> list[np.ndarray]:
        most = max(self.counts, default=0)
        found = []
        for group in self.groups:
            whole, rest = divmod(most, len(group))
            found += [np.tile(group, whole), random.choice(group, rest, replace=False)]
        return found


class UnderSampler(_ClassSampler):
    """As many rows of each class as the smallest has, others every epoch.

    Example:
        >>> len(UnderSampler(np.array([0, 0, 0, 1]), seed=0).order())
        2
    """

    def drawn(self) -> int:
        return min(self.counts, default=0) * len(self.counts)

    def draw(self, random: np.random.Generator) -> list[np.ndarray]:
        return [random.choice(group, min(self.counts), replace=False) for group in self.groups]


SAMPLERS: dict[str, type[_ClassSampler]] = {
    "oversampling": OverSampler,
    "undersampling": UnderSampler,
    "weighted_sampling": WeightedSampler,
}
