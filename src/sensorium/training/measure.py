"""What a fit comes to on the validation rows, beside all that it must be compared with."""

from typing import Any

import numpy as np

from sensorium.data.batches import Rows
from sensorium.data.targets import TargetCoder, shifted
from sensorium.evaluation.alone import compare_alone, majority, verdict
from sensorium.evaluation.answers import outputs, scored
from sensorium.evaluation.calibration import Calibration, fit_calibration
from sensorium.evaluation.metrics import MAIN

__all__ = ["measure"]


def measure(
    model: Any,
    rows: Rows,
    valid: Rows,
    coders: dict[str, TargetCoder],
    batch_size: int,
    budget: float | None,
    warnings: list[str],
) -> tuple[dict[str, Any], dict[str, Calibration]]:
    """The fused score on the validation rows beside all it must be compared with, and the calibration; of each target."""
    said = outputs(model, valid, max(batch_size, 32))
    targets, calibration = {}, {}
    for name, coder in coders.items():
        if not valid.targets[name][1].any():
            warnings.append(f"target '{name}' has no value in the validation rows and is not scored.")
            continue
        truth = coder.truth(valid.table.cells(name))
        if coder.outputs:
            before = scored(coder, truth, said[name])
            calibration[name] = fit_calibration(coder, truth, said[name])
            said[name] = calibration[name].apply(coder.task, said[name])
        else:  # there is nothing to calibrate
            before, calibration[name] = {}, Calibration()
        # Divided by the temperature as logits are, so that the answers stay those that the offsets were chosen for.
        offsets = [offset / calibration[name].temperature for offset in coder.offsets]
        found: dict[str, Any] = {
            "task": coder.task,
            "main": MAIN[coder.task],
            "valid": scored(coder, truth, said[name], resamples=1000, offsets=offsets),
            "majority": majority(coder, truth),
            "calibration": _calibrated(coder, calibration[name], before),
        }
        if model.wide is not None and name in model.wide.targets:
            found["shares"] = dict(zip(("network", "wide"), model.wide.shares(name), strict=True))
        if budget is not None:
            found |= compare_alone(model, rows, valid, coder, max(batch_size, 32), budget / len(coders))
            warnings.extend(verdict(coder, found["valid"], found, found["majority"]))
        if _constant(coder, shifted(said[name], offsets) if offsets else said[name]):
            warnings.append(f"target '{name}': the answer is the same for every validation row.")
        coder.offsets = offsets
        targets[name] = found
    return {"targets": targets}, calibration


def _calibrated(coder: TargetCoder, calibration: Calibration, before: dict[str, Any]) -> dict[str, Any]:
    """What calibration did; `before`: the scores without it."""
    if coder.task == "regression":
        return {"deviation": calibration.deviation}
    scores = {name: before[name]["value"] for name in ("log_loss", "ece") if name in before}
    return {"temperature": calibration.temperature, "before": scores}


def _constant(coder: TargetCoder, said: np.ndarray) -> bool:
    if len(said) < 2:
        return False
    if coder.task == "regression":
        return bool(said.std() < 1e-3)
    if coder.task == "generation":
        return bool((said == said[0]).all())
    return bool((said.argmax(1) == said[0].argmax()).all()) if coder.task != "multilabel" else False
