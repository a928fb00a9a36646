"""Offsets on the log-probabilities of classes, chosen for the best macro F1."""

import numpy as np

from sensorium.data.targets import shifted
from sensorium.evaluation.metrics import macro_f1

__all__ = ["choose_offsets", "cross_fitted"]

PASSES, LEAST = 10, 1e-9  # over the classes at most; a gain in macro F1 below it is none


def choose_offsets(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """One offset a class, so that `argmax(log p + offset)` has the best macro F1 on these rows.

    Of two classes the best there is: one threshold on p of the second. Of more, one class after the other, each at its
    best while the others stay, until none gains: the best in every single offset, not always of all sets of offsets.

    Args:
        truth: (N,) class numbers.
        probabilities: (N, K).

    Returns:
        (K,), 0 where nothing is gained.

    Example:
        >>> yes = np.array([0.1, 0.2, 0.3, 0.4])
        >>> offsets = choose_offsets(np.array([0, 0, 1, 1]), np.stack([1 - yes, yes], axis=1))
        >>> round(float(1 / (1 + np.exp(offsets[1]))), 3)  # the threshold, half way in log odds
        0.247
    """
    truth, classes = truth.astype(int), probabilities.shape[1]
    offsets = np.zeros(classes)
    best = macro_f1(truth, probabilities)
    for _ in range(PASSES):
        before = best
        for place in range(1 if classes == 2 else 0, classes):
            value, offset = _best_offset(truth, shifted(probabilities, offsets), offsets[place], place)
            if value > best + LEAST:
                best, offsets[place] = value, offset
        if best == before:
            break
    return offsets - offsets[0] if classes == 2 else offsets


def _best_offset(truth: np.ndarray, scores: np.ndarray, now: float, place: int) -> tuple[float, float]:
    """The best macro F1 that a class' offset can reach while the others stay, and that offset.

    The rows turn to the class one after the other as its offset grows; each turn changes the F1 of two classes alone.
    """
    rows, classes = scores.shape
    own = scores[:, place] - now
    rest = scores.copy()
    rest[:, place] = -np.inf
    other = rest.argmax(1)
    needed = rest.max(1) - own  # the offset above which a row turns
    order = np.argsort(needed, kind="stable")
    truth, other, needed = truth[order], other[order], needed[order]
    there = np.bincount(truth, minlength=classes)
    # F1 of the class itself, with none to all of the rows turned: (N + 1,).
    hits = np.r_[0, np.cumsum(truth == place)]
    turned = np.arange(rows + 1)
    itself, counted = _f1(hits, there[place], turned)
    # F1 of the others: within each class, in the order in which its rows turn away.
    group = np.argsort(other, kind="stable")
    of = other[group]
    answers = np.bincount(other, minlength=classes)
    first = np.searchsorted(of, of)  # where each row's group begins
    away = np.arange(rows) - first + 1
    right = (truth == other)[group]
    total = np.bincount(other[truth == other], minlength=classes)
    lost = np.cumsum(right)
    lost -= np.r_[0, lost][first]  # of the group alone
    after, after_there = _f1(total[of] - lost, there[of], answers[of] - away)
    prior, prior_there = _f1(total[of] - lost + right, there[of], answers[of] - away + 1)
    change, change_there = np.empty(rows), np.empty(rows)
    change[group], change_there[group] = after - prior, after_there - prior_there
    start, start_there = _f1(total, there, answers)
    others = [k for k in range(classes) if k != place]
    sums = start[others].sum() + np.r_[0, np.cumsum(change)] + itself
    value = sums / (start_there[others].sum() + np.r_[0, np.cumsum(change_there)] + counted)
    possible = np.r_[True, needed[1:] > needed[:-1], True]  # rows that need the same turn together
    value = np.where(possible, value, -1)
    best = int(value.argmax())
    if best in (0, rows):
        return float(value[best]), float(needed[0] - 1 if best == 0 else needed[-1] + 1)
    return float(value[best]), float((needed[best - 1] + needed[best]) / 2)


def _f1(hits: np.ndarray, rows: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F1 and whether the class occurs at all, in the truth or among the answers; 0 where it doesn't."""
    both = rows + answers
    return 2 * hits / np.maximum(both, 1), (both > 0).astype(float)


def cross_fitted(truth: np.ndarray, probabilities: np.ndarray, folds: int = 5, seed: int = 0) -> float:
    """The macro F1 of offsets on rows that they were not chosen on: the score to compare with other methods'.

    Every class' rows are spread over the folds; each fold is answered with the offsets of the others.
    """
    truth = truth.astype(int)
    random = np.random.default_rng(seed)
    order = random.permutation(len(truth))
    order = order[np.argsort(truth[order], kind="stable")]
    fold = np.empty(len(truth), dtype=int)
    fold[order] = np.arange(len(truth)) % folds
    scores = np.empty(probabilities.shape)
    for held in np.unique(fold):
        out = fold == held
        chosen = choose_offsets(truth[~out], probabilities[~out]) if (~out).any() else np.zeros(scores.shape[1])
        scores[out] = shifted(probabilities[out], chosen)
    return macro_f1(truth, scores)
