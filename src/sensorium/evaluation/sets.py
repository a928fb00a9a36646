"""A target's prediction sets as columns: sets of classes, intervals of numbers. `conformal` has what they rest on."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from sensorium.data.targets import TargetCoder
from sensorium.errors import ConfigError
from sensorium.evaluation.calibration import Calibration
from sensorium.evaluation.conformal import METHODS, check, threshold

__all__ = ["set_columns", "sets", "with_sets"]


def with_sets(
    coders: Mapping[str, TargetCoder],
    calibration: Mapping[str, Calibration],
    coverage: float,
    method: str = METHODS[0],
    say: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """The targets that have sets: all but labels and texts. Says where the validation rows are too few for a coverage.

    Raises:
        ConfigError: there are none, or another coverage or method, or a target was not calibrated.
    """
    check(coverage, method)
    names = [name for name, coder in coders.items() if coder.task not in {"generation", "multilabel"}]
    if not names:
        one = ", ".join(coders)
        if any(coder.task == "generation" for coder in coders.values()):
            raise ConfigError(f"'{one}' holds texts, and there are no prediction sets of those; use predict.")
        raise ConfigError(f"'{one}' holds labels, and there are no prediction sets of those; use predict_proba.")
    for name in names:
        if not calibration[name].misfits:
            raise ConfigError(f"target '{name}' was not calibrated on validation rows, so it has no sets. Fit again.")
        misfits = calibration[name].misfits["residual" if coders[name].task == "regression" else method]
        if math.isinf(threshold(misfits, coverage)):
            what = (
                "every interval is the whole line"
                if coders[name].task == "regression"
                else "every set holds all classes"
            )
            say(f"target '{name}': {len(misfits)} validation rows are too few for a coverage of {coverage:g}; {what}.")
    return names


def sets(
    coder: TargetCoder, calibration: Calibration, output: np.ndarray, coverage: float, method: str = METHODS[0]
) -> pd.Series | pd.DataFrame:
    """Classes: a list for each row, likeliest first. Numbers: low and high.

    Args:
        coder, calibration: of the target, one of `with_sets`.
        output: of the head, calibrated.
        coverage, method: see `conformal.class_sets`.
    """
    if coder.task == "regression":
        return pd.DataFrame(calibration.interval(coder.decode_numbers(output), coverage), columns=["low", "high"])
    chosen = calibration.classes(coder, output, coverage, method)
    classes, order = np.asarray(coder.classes, dtype=object), np.argsort(-output, axis=1, kind="stable")
    found = [classes[places[row[places]]].tolist() for row, places in zip(chosen, order, strict=True)]
    return pd.Series(found, name=coder.name, dtype=object)


def set_columns(coder: TargetCoder, calibration: Calibration, output: np.ndarray, coverage: float) -> pd.DataFrame:
    """TARGET_set, the classes with | between them, or TARGET_low and TARGET_high."""
    found = sets(coder, calibration, output, coverage)
    if isinstance(found, pd.DataFrame):
        return found.add_prefix(f"{coder.name}_")
    return found.map("|".join).to_frame(f"{coder.name}_set")
