"""Which of several models' answers are averaged, and how often each counts."""

from collections.abc import Callable

import numpy as np

__all__ = ["select"]

STEPS = 20  # models added to an ensemble, one after another, at most
BAGS = 20  # ensembles, each of half of the models, that are averaged


def select(
    answers: np.ndarray, loss: Callable[[np.ndarray], float], before: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """The share of each model in an average that has a low loss.

    An ensemble begins with the best models, as many as are good together. Then the model that helps most is added again
    and again, one that is in it already, too; the best ensemble on the way counts. What is taken is the mean of many such
    ensembles, each from half of the models, since one alone follows the chance of few rows; but where it has a higher loss
    than a model by itself, or than the shares from before, that.

    Reference:
        Caruana et al. 2004, Ensemble Selection from Libraries of Models. Differs: of two models, whose halves are one, half of
        the shares is even.

    Args:
        answers: (M, ...) of M models to the same rows, in whatever is averaged: logits here.
        loss: of averaged answers (...).
        before: shares (M,) that are kept where nothing better is found, so that more models never make it worse.
        seed: of the bags.

    Returns:
        (M,) shares, 0 or more, that add up to 1.
    """
    count, random = len(answers), np.random.default_rng(seed)
    order = np.argsort([loss(own) for own in answers], kind="stable")
    rivals = [np.eye(count)[order[0]], *([] if before is None else [np.asarray(before, dtype=float)])]
    best = min(rivals, key=lambda shares: loss(_average(answers, shares)))
    if count == 1:
        return best
    if count == 2:
        bagged = (_greedy(answers, loss, order) + 1 / count) / 2
    else:
        bags = (order[np.sort(random.permutation(count)[: max(2, round(count / 2))])] for _ in range(BAGS))
        bagged = np.mean([_greedy(answers, loss, bag) for bag in bags], axis=0)
    return bagged if loss(_average(answers, bagged)) <= loss(_average(answers, best)) else best


def _average(answers: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return np.tensordot(shares, answers, (0, 0))


def _greedy(answers: np.ndarray, loss: Callable[[np.ndarray], float], order: np.ndarray) -> np.ndarray:
    """The shares of the best ensemble of the models in `order`, the best model first."""
    counts = np.zeros(len(answers))
    sums = np.cumsum(answers[order], axis=0)
    first = int(np.argmin([loss(total / (size + 1)) for size, total in enumerate(sums)]))
    counts[order[: first + 1]] = 1
    total, best = sums[first], (loss(sums[first] / (first + 1)), counts.copy())
    for _ in range(STEPS):
        size = counts.sum() + 1
        losses = [loss((total + answers[place]) / size) for place in order]
        chosen = order[int(np.argmin(losses))]
        counts[chosen] += 1
        total = total + answers[chosen]
        if min(losses) < best[0]:
            best = min(losses), counts.copy()
    return best[1] / best[1].sum()
