"""What the best trial and the defaults come to on rows that no trial has seen."""

from typing import Any

import numpy as np

from sensorium.comparison.paired import differences, mcnemar, two_sided
from sensorium.data.table import Table
from sensorium.data.targets import CLASSED, TargetCoder, shifted
from sensorium.evaluation.metrics import MAIN, METRICS
from sensorium.evaluation.text_metrics import statistics
from sensorium.predictor import Predictor

__all__ = ["compare_on"]


def compare_on(table: Table, best: Predictor, defaults: Predictor | None) -> dict[str, dict[str, Any]]:
    """The main metric of both, and how much more the best has.

    Args:
        table: labelled rows.
        best, defaults: fitted on the same rows; None: the defaults have no run.

    Returns:
        by target: metric, rows, best, and with a run of the defaults theirs as defaults, and the difference's value, low, high (95 %, over bootstrap samples of the
        rows, both scored on the same) and p (McNemar's test of classes, else the bootstrap's).

    Raises:
        DataError: a target column is absent, or no row can be scored.
    """
    coded, _ = best._labelled(table, lambda _: None)
    predictors = [best] if defaults is None else [best, defaults]
    outputs = [predictor._outputs(table, lambda _: None) for predictor in predictors]
    found = {}
    for name, coder in best.coders.items():
        values, mask = coded[name]
        if not mask.any():
            continue
        truth = coder.decode_numbers(values[mask]) if coder.task == "regression" else values[mask]
        said = [
            _said(predictor.coders[name], truth, output[name][mask])
            for predictor, output in zip(predictors, outputs, strict=True)
        ]
        metric = METRICS[coder.task][MAIN[coder.task]]
        scores = [float(metric(truth, one)) for one in said]
        found[name] = {"metric": MAIN[coder.task], "rows": int(mask.sum()), "best": scores[0]}
        if defaults is not None:
            drawn = differences(metric, truth, *said)
            classed = coder.task in CLASSED
            p = mcnemar(*(one.argmax(1) == truth for one in said)) if classed else two_sided(drawn)
            low, high = np.quantile(drawn, [0.025, 0.975])
            difference = {"value": scores[0] - scores[1], "low": float(low), "high": float(high), "p": p}
            found[name] |= {"defaults": scores[1], "difference": difference}
    return found


def _said(coder: TargetCoder, truth: np.ndarray, output: np.ndarray) -> np.ndarray:
    """What the main metric reads, in the target's own unit and with its thresholds."""
    if coder.task == "regression":
        return coder.decode_numbers(output)
    if coder.task == "generation":
        return statistics(truth, coder.decode(output))
    return shifted(output, coder.offsets) if coder.offsets else output
