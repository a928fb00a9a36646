"""Whether one model is better than another on the same rows, or only luckier."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest

__all__ = ["differences", "holm", "mcnemar", "two_sided"]

Metric = Callable[[np.ndarray, np.ndarray], float]


def mcnemar(right: np.ndarray, other: np.ndarray) -> float:
    """The probability of a difference as large as this if both models were right equally often: exact, two-sided.

    Only rows that one of the two gets right and the other wrong say anything; if the models were equal, each of them
    would be a coin's throw.

    Reference: McNemar 1947, Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages.

    Args:
        right, other: which rows each model answers rightly, (N,) bool.

    Example:
        >>> mcnemar(np.array([1, 1, 1, 1, 1, 0]) > 0, np.array([0, 0, 0, 0, 0, 0]) > 0)
        0.0625
    """
    first, second = int((right & ~other).sum()), int((other & ~right).sum())
    return float(binomtest(first, first + second).pvalue) if first + second else 1.0


def differences(
    metric: Metric,
    truth: np.ndarray,
    output: np.ndarray,
    other: np.ndarray,
    resamples: int = 2000,
    seed: int = 0,
) -> np.ndarray:
    """How much more `metric` is for `output` than for `other`, in bootstrap samples of the rows: (resamples,).

    Both models are scored on the same sample, so that what makes rows hard for both doesn't count.

    Reference: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 16.

    Args:
        metric: of a truth and an output; samples in which it is not defined are left out.
        truth, output, other: a row each in all three.
        resamples: samples.
        seed: of the samples.
    """
    random = np.random.default_rng(seed)
    found = np.empty(resamples)
    for i in range(resamples):
        rows = random.integers(0, len(truth), len(truth))
        found[i] = metric(truth[rows], output[rows]) - metric(truth[rows], other[rows])
    return found[np.isfinite(found)]


def two_sided(drawn: np.ndarray) -> float:
    """The two-sided p of no difference, from bootstrap samples of one; never below 2 / (samples + 1).

    Example:
        >>> two_sided(np.array([1.0, 2.0, -1.0]))
        1.0
    """
    least = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1.0, 2 * (least + 1) / (len(drawn) + 1)))


def holm(chances: Sequence[float]) -> list[float]:
    """The p of several tests so that the probability of any false alarm among them stays what is asked.

    Reference: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(chances, kind="stable")
    raised = np.asarray(chances, dtype=float)[order] * np.arange(len(order), 0, -1)
    found = np.empty(len(order))
    found[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return found.tolist()
