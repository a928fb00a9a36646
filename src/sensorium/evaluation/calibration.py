"""What the validation rows say of a target's answers: the temperature, the deviation, the misfits. Kept with the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensorium.data.targets import TargetCoder, shifted
from sensorium.evaluation.conformal import METHODS, class_sets, misfit, threshold
from sensorium.evaluation.reliability import brier, ece, reliability

__all__ = ["Calibration", "fit_calibration", "fit_temperature", "trust"]

COLDEST, HOTTEST = 0.05, 20.0
MOST_ROWS = 10_000  # of misfits kept; coverage is then exact to a hundredth, and a run stays small


@dataclass
class Calibration:
    """How far one target's answers can be trusted.

    Args:
        temperature: what logits are divided by; 1 changes nothing.
        deviation: the root mean square error of a number, in the target's unit; None for classes.
        misfits: of the true answers of the validation rows, sorted: by method for classes; "residual" for numbers.
    """

    temperature: float = 1.0
    deviation: float | None = None
    misfits: dict[str, list[float]] = field(default_factory=dict)

    def apply(self, task: str, output: np.ndarray) -> np.ndarray:
        """A head's output with its probabilities at this temperature. No answer changes: the order of classes stays."""
        if self.temperature == 1 or task == "regression":
            return output
        if task == "multilabel":
            shares = _scaled(_both(output), self.temperature)[:, 1]
            return shares.reshape(output.shape)
        return _scaled(output, self.temperature)

    def classes(self, coder: TargetCoder, output: np.ndarray, coverage: float, method: str = METHODS[0]) -> np.ndarray:
        """(N, K) bool: the prediction set of each row, from its calibrated probabilities."""
        answers = shifted(output, coder.offsets).argmax(1) if coder.offsets else None
        return class_sets(output, self.misfits[method], coverage, method, answers)

    def interval(self, numbers: np.ndarray, coverage: float) -> np.ndarray:
        """(N, 2): low and high around numbers in the target's own unit."""
        half = threshold(self.misfits["residual"], coverage)
        return np.stack([numbers - half, numbers + half], axis=1)

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


def fit_calibration(coder: TargetCoder, target: tuple[np.ndarray, np.ndarray], output: np.ndarray) -> Calibration:
    """Learn a target's calibration from the validation rows.

    Args:
        coder: of the target.
        target: values and mask of all rows, as `TargetCoder.encode` gives them; one row at least has a value.
        output: of the head, for the same rows.
    """
    values, mask = target
    truth, said = values[mask], output[mask]
    if coder.task == "regression":
        errors = np.abs(coder.decode_numbers(truth) - coder.decode_numbers(said))
        return Calibration(deviation=float(np.sqrt((errors**2).mean())), misfits={"residual": _kept(errors)})
    if coder.task == "multilabel":
        return Calibration(fit_temperature(truth.reshape(-1), _both(said)))
    found = Calibration(fit_temperature(truth, said))
    said = found.apply(coder.task, said)
    rows = np.arange(len(said))
    found.misfits = {method: _kept(misfit(said, method)[rows, truth.astype(int)]) for method in METHODS}
    return found


def fit_temperature(truth: np.ndarray, output: np.ndarray) -> float:
    """What to divide all logits by, so that probabilities mean what they say. 1 where no other makes the log-loss less.

    The log-loss over 1 / T is convex, so its slope has one zero. The truth counts as (n + 1) / (n + 2) and not 1: without
    that a few rows that are all right would ask for certainty.

    Reference: Guo et al. 2017, On Calibration of Modern Neural Networks; the truth's share: Platt 1999.

    Args:
        truth: class numbers (N,).
        output: probabilities (N, K).

    Returns:
        T, from COLDEST to HOTTEST.
    """
    rows, classes = output.shape
    chosen = np.arange(rows), truth.astype(int)
    logits = _logits(output)
    aim = np.full(output.shape, 1 / (rows + 2) / (classes - 1))
    aim[chosen] = (rows + 1) / (rows + 2)
    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(50):
        middle = (low + high) / 2
        slope = ((_softmax(np.exp(middle) * logits) - aim) * logits).sum()
        low, high = (middle, high) if slope < 0 else (low, middle)
    temperature = float(np.exp(-(low + high) / 2))

    def loss(t: float) -> float:
        return -float(np.log(np.clip(_softmax(logits / t)[chosen], 1e-15, 1)).mean())

    return temperature if loss(temperature) < loss(1.0) else 1.0


def trust(
    coder: TargetCoder,
    calibration: Calibration,
    target: tuple[np.ndarray, np.ndarray],
    output: np.ndarray,
    coverage: float = 0.9,
) -> dict[str, Any]:
    """How far answers to labelled rows could be trusted.

    Args:
        coder, calibration: of the target.
        target, output: as for `fit_calibration`, the output calibrated.
        coverage: what prediction sets are asked to hold.

    Returns:
        classes: temperature, ece, ece_equal_mass, brier, reliability (rows of a table), sets (asked, covered, size: classes
            on average). numbers: deviation, within (share of rows whose error is at most it), sets (asked, covered,
            size: the width; None: infinite). labels: temperature. No sets where the run kept no misfits.
    """
    values, mask = target
    truth, said = values[mask], output[mask]
    if coder.task == "multilabel":
        return {"temperature": calibration.temperature}
    found: dict[str, Any] = {}
    if coder.task == "regression":
        truth, said = coder.decode_numbers(truth), coder.decode_numbers(said)
        if calibration.deviation is not None:
            within = np.abs(truth - said) <= calibration.deviation
            found |= {"deviation": calibration.deviation, "within": float(within.mean())}
        if calibration.misfits:
            half = threshold(calibration.misfits["residual"], coverage)
            size = 2 * half if np.isfinite(half) else None
            found["sets"] = _sets(coverage, np.abs(truth - said) <= half, size)
        return found
    found |= {"temperature": calibration.temperature, "ece": ece(truth, said)}
    found |= {"ece_equal_mass": ece(truth, said, equal_mass=True), "brier": brier(truth, said)}
    found["reliability"] = reliability(truth, said)
    if calibration.misfits:
        chosen = calibration.classes(coder, said, coverage)
        hit = chosen[np.arange(len(said)), truth.astype(int)]
        found["sets"] = _sets(coverage, hit, float(chosen.sum(1).mean()))
    return found


def _sets(asked: float, hit: np.ndarray, size: float | None) -> Mapping[str, float | None]:
    return {"asked": asked, "covered": float(hit.mean()), "size": size}


def _kept(misfits: np.ndarray) -> list[float]:
    """Sorted; of very many a random part, which is as exchangeable with new rows as all of them."""
    if len(misfits) > MOST_ROWS:
        misfits = np.random.default_rng(0).choice(misfits, MOST_ROWS, replace=False)
    return np.sort(misfits).astype(float).tolist()


def _both(shares: np.ndarray) -> np.ndarray:
    """Labels' probabilities (N, L) as those of no and yes (N * L, 2)."""
    yes = shares.astype(np.float64).reshape(-1)
    return np.stack([1 - yes, yes], axis=1)


def _logits(output: np.ndarray) -> np.ndarray:
    """Logits that give these probabilities, to a constant a row, which softmax does not see."""
    return np.log(np.clip(output.astype(np.float64), 1e-12, 1))


def _softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def _scaled(output: np.ndarray, temperature: float) -> np.ndarray:
    return _softmax(_logits(output) / temperature)  # float64: what differed by a float32's last bit still does
