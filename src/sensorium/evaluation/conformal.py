"""Split conformal prediction: sets of classes and intervals that hold the truth as often as was asked.

The promise is for rows that are exchangeable with the validation rows: of the same source, none chosen. It is over the
draw of both, not for one class or one kind of row. The validation rows also chose the epoch and the temperature, so they
are not quite untouched: coverage on new rows can be a little below what was asked. `evaluate` measures it.

Reference: Angelopoulos and Bates 2021, A Gentle Introduction to Conformal Prediction.
"""

import math
from collections.abc import Sequence

import numpy as np

from sensorium.errors import ConfigError, did_you_mean

__all__ = ["METHODS", "check", "class_sets", "misfit", "threshold"]

# LAC is the default: its sets are the smallest there are for a coverage (Sadinle et al. 2019), and where a model is
# sure they are one class. APS (Romano et al. 2020, not randomised) takes classes until their probabilities suffice:
# hard rows are covered more evenly, at the cost of larger sets.
METHODS = ("lac", "aps")


def check(coverage: float, method: str = METHODS[0]) -> None:
    """Refuse a coverage or a method that there isn't.

    Raises:
        ConfigError: with what was given.
    """
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage must be above 0 and below 1, such as 0.9; got {coverage:g}.")
    if method not in METHODS:
        raise ConfigError(f"unknown method '{method}' of prediction sets. {did_you_mean(method, METHODS)}")


def misfit(output: np.ndarray, method: str = "lac") -> np.ndarray:
    """How ill each class fits each row: (N, K), from 0 (fits) to 1.

    Args:
        output: probabilities (N, K).
        method: lac: 1 - the class's probability. aps: the probability of it and of all likelier classes together.
    """
    output = output.astype(np.float64)
    if method == "lac":
        return 1 - output
    order = np.argsort(-output, axis=1, kind="stable")
    sums = np.take_along_axis(output, order, 1).cumsum(1)
    return np.take_along_axis(sums, np.argsort(order, axis=1, kind="stable"), 1)  # (N, K), in the classes' order


def threshold(scores: Sequence[float] | np.ndarray, coverage: float) -> float:
    """The misfit up to which answers belong to the set: the ceil((n + 1) coverage)-th smallest of n.

    Infinite where n rows are too few for the coverage: below coverage / (1 - coverage) of them, only the set of all
    classes, and the whole line, keep the promise.

    Args:
        scores: misfits of the true answers of the validation rows.
        coverage: above 0 and below 1.
    """
    place = math.ceil((len(scores) + 1) * coverage - 1e-9)  # 1e-9: 0.9 * 10 is 9, whatever floats make of it
    return float(np.sort(scores)[place - 1]) if place <= len(scores) else math.inf


def class_sets(
    output: np.ndarray,
    scores: Sequence[float] | np.ndarray,
    coverage: float,
    method: str = "lac",
    answers: np.ndarray | None = None,
) -> np.ndarray:
    """Which classes are in each row's set: (N, K) bool. The row's answer always is, so that no set is empty.

    Args:
        output: probabilities (N, K).
        scores: misfits of the true classes of the validation rows, by the same method.
        coverage: above 0 and below 1.
        method: see `misfit`.
        answers: class numbers (N,); None: the likeliest.
    """
    chosen = misfit(output, method) <= threshold(scores, coverage)
    chosen[np.arange(len(output)), output.argmax(1) if answers is None else answers] = True
    return chosen
