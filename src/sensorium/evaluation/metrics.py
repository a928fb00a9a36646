"""Metrics with bootstrap intervals."""

from collections.abc import Callable, Collection

import numpy as np

from sensorium.evaluation.reliability import ece
from sensorium.evaluation.text_metrics import TEXT_METRICS

__all__ = ["MAIN", "METRICS", "OF_ANSWERS", "macro_f1", "score"]

OF_ANSWERS = ("accuracy", "macro_f1", "balanced_accuracy")  # of classes: what the largest number of a row tells
MAIN = {
    "binary": "accuracy", "classification": "accuracy", "generation": "chrf", "multilabel": "micro_f1",
    "regression": "r2",
}  # fmt: skip

FEWEST, DRAWN = 200, 20_000_000  # bootstrap samples at least; rows of all samples beyond that

Metric = Callable[[np.ndarray, np.ndarray], float]


def score(
    task: str,
    truth: np.ndarray,
    output: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    metrics: Collection[str] | None = None,
) -> dict[str, dict[str, float]]:
    """Every metric of a task: its value and the 95 % percentile interval over bootstrap samples of the rows.

    Reference: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.

    Args:
        task: binary, classification, generation, multilabel or regression.
        truth: class numbers (N,), labels (N, K) of 0 and 1, numbers (N,) in the target's own unit, or texts (N,).
        output: probabilities (N, K), numbers (N,), or of texts what `text_metrics.statistics` gives.
        resamples: bootstrap samples; 0 gives values without interval (low = high = value). Of very many rows fewer are
            drawn, FEWEST at least: their intervals are narrow anyhow.
        seed: of the samples.
        metrics: those wanted; None: all of the task.

    Returns:
        name -> {"value", "low", "high"}. A metric that the rows don't define (one class only) is left out.
    """
    chosen = {name: metric for name, metric in METRICS[task].items() if metrics is None or name in metrics}
    random = np.random.default_rng(seed)
    values = {name: value for name, metric in chosen.items() if np.isfinite(value := metric(truth, output))}
    drawn: dict[str, list[float]] = {name: [] for name in values}
    for _ in range(min(resamples, max(FEWEST, DRAWN // len(truth)))):
        rows = random.integers(0, len(truth), len(truth))
        sample = truth[rows], output[rows]
        for name, found in drawn.items():
            found.append(chosen[name](*sample))
    scores = {}
    for name, value in values.items():
        finite = np.array(drawn[name])[np.isfinite(drawn[name])] if drawn[name] else np.zeros(0)
        low, high = np.quantile(finite, [0.025, 0.975]) if len(finite) else (value, value)
        scores[name] = {"value": float(value), "low": float(low), "high": float(high)}
    return scores


def accuracy(truth: np.ndarray, output: np.ndarray) -> float:
    return float((output.argmax(1) == truth).mean())


def _confusion(truth: np.ndarray, output: np.ndarray) -> np.ndarray:
    classes = output.shape[1]
    return np.bincount(truth.astype(int) * classes + output.argmax(1), minlength=classes**2).reshape(classes, classes)


def macro_f1(truth: np.ndarray, output: np.ndarray) -> float:
    """The mean F1 over the classes that occur in the truth or among the answers."""
    table = _confusion(truth, output)
    hit, rows, answers = table.diagonal(), table.sum(1), table.sum(0)
    there = rows + answers > 0
    return float((2 * hit[there] / (rows + answers)[there]).mean())


def balanced_accuracy(truth: np.ndarray, output: np.ndarray) -> float:
    """The mean recall over the classes that occur."""
    table = _confusion(truth, output)
    there = table.sum(1) > 0
    return float((table.diagonal()[there] / table.sum(1)[there]).mean())


def log_loss(truth: np.ndarray, output: np.ndarray) -> float:
    chosen = output[np.arange(len(truth)), truth.astype(int)]
    return float(-np.log(np.clip(chosen, 1e-15, 1)).mean())


def roc_auc(truth: np.ndarray, output: np.ndarray) -> float:
    """The probability that a yes scores above a no, ties half: Mann and Whitney's U over the number of pairs."""
    _, place, count = np.unique(output[:, 1], return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # (N,), from 1, the mean one among ties
    yes = truth > 0.5
    pairs = int(yes.sum()) * int((~yes).sum())
    return float((rank[yes].sum() - yes.sum() * (yes.sum() + 1) / 2) / pairs) if pairs else float("nan")


def micro_f1(truth: np.ndarray, output: np.ndarray) -> float:
    answers = output > 0.5
    both = truth.sum() + answers.sum()
    return float(2 * (answers * truth).sum() / both) if both else float("nan")


def macro_label_f1(truth: np.ndarray, output: np.ndarray) -> float:
    answers = output > 0.5
    both = truth.sum(0) + answers.sum(0)
    there = both > 0
    return float((2 * (answers * truth).sum(0)[there] / both[there]).mean()) if there.any() else float("nan")


def exact(truth: np.ndarray, output: np.ndarray) -> float:
    """The share of rows with every label right."""
    return float(((output > 0.5) == (truth > 0.5)).all(1).mean())


def rmse(truth: np.ndarray, output: np.ndarray) -> float:
    return float(np.sqrt(((truth - output) ** 2).mean()))


def mae(truth: np.ndarray, output: np.ndarray) -> float:
    return float(np.abs(truth - output).mean())


def r2(truth: np.ndarray, output: np.ndarray) -> float:
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - output) ** 2).sum() / spread) if spread > 0 else float("nan")


_CLASSES: dict[str, Metric] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
    "log_loss": log_loss,
    "ece": ece,
}
METRICS: dict[str, dict[str, Metric]] = {
    "binary": {**_CLASSES, "roc_auc": roc_auc},
    "classification": _CLASSES,
    "multilabel": {"micro_f1": micro_f1, "macro_f1": macro_label_f1, "exact": exact},
    "regression": {"r2": r2, "rmse": rmse, "mae": mae},
    "generation": TEXT_METRICS,
}
