"""How well a score tells rows that were learned from apart from others, with intervals."""

from collections.abc import Callable

import numpy as np

from sensorium.evaluation.metrics import DRAWN, FEWEST, roc_auc

__all__ = ["advantage_at", "membership"]

FALSE_ALARMS = 0.01  # the share of rows never seen that may be taken for known ones

Measured = dict[str, float]


def membership(members: np.ndarray, others: np.ndarray, resamples: int = 1000, seed: int = 0) -> dict[str, Measured]:
    """How well an attack does whose score is higher for rows that it takes for known ones.

    The advantage is measured at the threshold that is best on the other half of the rows: the best one of the same rows
    would find an advantage where there is none.

    Reference:
        Carlini et al. 2022, Membership Inference Attacks From First Principles, on why the share found at few false
        alarms matters more than the area.

    Args:
        members, others: scores of rows that were learned from (N,) and of rows that were not (M,).
        resamples: bootstrap samples of the rows for the 95 % intervals.
        seed: of the halves and the samples.

    Returns:
        advantage (share found - share of false alarms; 0: nothing is told, 1: all), auc, and tpr_at_1_fpr: the share
        found where one in a hundred others is taken for known; each {"value", "low", "high"}.
    """
    random = np.random.default_rng(seed)
    found, alarms = _decided(members, others, random)
    resamples = min(resamples, max(FEWEST, DRAWN // (len(members) + len(others))))
    return {
        "advantage": _difference(found, alarms, resamples, random),
        "auc": _bootstrapped(_auc, members, others, resamples, random),
        "tpr_at_1_fpr": _bootstrapped(_found_at_few_alarms, members, others, resamples, random),
    }


def advantage_at(
    members: np.ndarray, others: np.ndarray, threshold: float, resamples: int = 1000, seed: int = 0
) -> Measured:
    """The advantage where scores from a threshold on are taken for known rows: {"value", "low", "high"}."""
    return _difference(members >= threshold, others >= threshold, resamples, np.random.default_rng(seed))


def _decided(members: np.ndarray, others: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are taken for known ones, each by a threshold of rows of the other half, (N,) and (M,) bool."""
    halves = [random.permutation(len(scores)) % 2 == 0 for scores in (members, others)]
    found, alarms = np.zeros(len(members), dtype=bool), np.zeros(len(others), dtype=bool)
    for side in (True, False):
        own, other = halves[0] == side, halves[1] == side
        threshold = _best_threshold(members[~own], others[~other])
        found[own], alarms[other] = members[own] >= threshold, others[other] >= threshold
    return found, alarms


def _best_threshold(members: np.ndarray, others: np.ndarray) -> float:
    """Where the advantage is greatest; infinite where no threshold has one."""
    values = np.unique(np.concatenate([members, others]))
    if len(values) < 2:
        return float("inf")
    between = (values[1:] + values[:-1]) / 2
    found = 1 - np.searchsorted(np.sort(members), between) / max(len(members), 1)
    alarms = 1 - np.searchsorted(np.sort(others), between) / max(len(others), 1)
    best = int(np.argmax(found - alarms))
    return float(between[best]) if found[best] > alarms[best] else float("inf")


def _difference(found: np.ndarray, alarms: np.ndarray, resamples: int, random: np.random.Generator) -> Measured:
    shares = [(len(of), float(of.mean())) for of in (found, alarms)]
    # The mean of a bootstrap sample of yes and no is a binomial share.
    drawn = [random.binomial(count, share, resamples) / count for count, share in shares]
    return _interval(shares[0][1] - shares[1][1], drawn[0] - drawn[1])


def _bootstrapped(
    measure: Callable[[np.ndarray, np.ndarray], float],
    members: np.ndarray,
    others: np.ndarray,
    resamples: int,
    random: np.random.Generator,
) -> Measured:
    drawn = [
        measure(
            members[random.integers(0, len(members), len(members))],
            others[random.integers(0, len(others), len(others))],
        )
        for _ in range(resamples)
    ]
    return _interval(measure(members, others), np.array(drawn))


def _interval(value: float, drawn: np.ndarray) -> Measured:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"value": float(value), "low": float(low), "high": float(high)}


def _auc(members: np.ndarray, others: np.ndarray) -> float:
    scores = np.concatenate([members, others])
    truth = np.repeat([1.0, 0.0], [len(members), len(others)])
    return roc_auc(truth, np.stack([-scores, scores], axis=1))


def _found_at_few_alarms(members: np.ndarray, others: np.ndarray) -> float:
    """The share found where at most FALSE_ALARMS of the others score higher than the threshold."""
    threshold = np.sort(others)[::-1][int(FALSE_ALARMS * len(others))]
    return float((members > threshold).mean())
