"""Whether probabilities mean what they say: of the answers given with 80 %, four in five should be right."""

import numpy as np

__all__ = ["BINS", "brier", "ece", "reliability"]

BINS = 15  # as in Guo et al. 2017


def ece(truth: np.ndarray, output: np.ndarray, bins: int = BINS, equal_mass: bool = False) -> float:
    """The expected calibration error: |share of right answers - mean confidence|, averaged over bins by their rows.

    `evaluate` reports the one of equal width, as papers do. Few rows make it too large, most of all with many bins.

    Reference: Guo et al. 2017, On Calibration of Modern Neural Networks; equal mass: Nixon et al. 2019.

    Args:
        truth: class numbers (N,).
        output: probabilities (N, K); the confidence is the largest of a row.
        bins: of confidence, from 0 to 1.
        equal_mass: bins of equally many rows in place of equally wide ones.
    """
    confidence, right = output.max(1), output.argmax(1) == truth
    place = _places(confidence, bins, equal_mass)
    gaps = np.bincount(place, right, bins) - np.bincount(place, confidence, bins)  # rows times the gap of each bin
    return float(np.abs(gaps).sum() / len(truth))


def brier(truth: np.ndarray, output: np.ndarray) -> float:
    """The squared distance from the probabilities to the truth's, mean over rows: 0 (best) to 2 (Brier 1950)."""
    chosen = output[np.arange(len(truth)), truth.astype(int)]
    return float(((output**2).sum(1) - 2 * chosen + 1).mean())


def reliability(truth: np.ndarray, output: np.ndarray, bins: int = BINS) -> list[dict[str, float]]:
    """A row for each bin of equal width that has answers: low, high, rows, confidence (mean), accuracy."""
    confidence, right = output.max(1), output.argmax(1) == truth
    place = _places(confidence, bins, False)
    rows = np.bincount(place, minlength=bins)
    sums, hits = np.bincount(place, confidence, bins), np.bincount(place, right, bins)
    return [
        {
            "low": bin / bins,
            "high": (bin + 1) / bins,
            "rows": int(rows[bin]),
            "confidence": float(sums[bin] / rows[bin]),
            "accuracy": float(hits[bin] / rows[bin]),
        }
        for bin in np.flatnonzero(rows).tolist()
    ]


def _places(confidence: np.ndarray, bins: int, equal_mass: bool) -> np.ndarray:
    """The bin of each row; an edge belongs to the bin below it."""
    if equal_mass:
        order = np.argsort(np.argsort(confidence, kind="stable"), kind="stable")
        return order * bins // len(confidence)
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
