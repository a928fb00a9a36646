"""Rows whose label is likely wrong."""

import warnings
from types import ModuleType

import numpy as np

from sensorium.data.targets import TargetCoder
from sensorium.errors import imported_for

__all__ = ["cleanlab_for", "label_errors"]


def cleanlab_for(purpose: str) -> ModuleType:
    """The library.

    Raises:
        ConfigError: it is not installed; the message begins with `purpose`.
    """
    with imported_for(purpose, "cleanlab", "explain"):
        import cleanlab.filter
        import cleanlab.multilabel_classification
        import cleanlab.rank
    return cleanlab


def label_errors(coder: TargetCoder, truth: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose label a model that has not learned from them finds unlikely, by the measure of each class.

    Reference: Northcutt, Jiang and Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset Labels.

    Args:
        coder: of a target with classes or labels.
        truth: class numbers (N,), or labels (N, K) of 0 and 1.
        output: probabilities (N, K).

    Returns:
        places of the rows, the worst first, and the quality of every row's label (N,), 0 to 1.
    """
    cleanlab = cleanlab_for("finding likely label errors")
    shares = output.astype(np.float64)

    def issues(labels: np.ndarray, shares: np.ndarray) -> list[int]:
        if len(np.unique(labels)) < 2:  # a class is likely wrong beside another
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that of classes with few rows none are named
            ranked = cleanlab.filter.find_label_issues(
                labels, shares, return_indices_ranked_by="self_confidence", n_jobs=1
            )
        return ranked.tolist()

    if coder.task == "multilabel":  # each label by itself: of one that all rows have, cleanlab's own way knows nothing
        labels = [np.flatnonzero(row > 0.5).tolist() for row in truth]
        quality = np.asarray(cleanlab.multilabel_classification.get_label_quality_scores(labels, shares))
        yes = (truth > 0.5).astype(int)
        found = {
            row for k in range(yes.shape[1]) for row in issues(yes[:, k], np.stack([1 - shares[:, k], shares[:, k]], 1))
        }
        return np.array(sorted(found, key=lambda row: quality[row]), dtype=int), quality
    labels = truth.astype(int)
    return np.array(issues(labels, shares), dtype=int), np.asarray(
        cleanlab.rank.get_label_quality_scores(labels, shares)
    )
