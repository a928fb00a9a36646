"""Whether fusion wins: every input alone, classical floors, and the majority, beside the fused score."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy import sparse

from sensorium.baselines.handmade import HandMade, together
from sensorium.baselines.kernel import fit_kernel
from sensorium.baselines.linear import fit_linear
from sensorium.baselines.rows import known_rows
from sensorium.baselines.stacking import fit_stack, stack_answers
from sensorium.data.batches import Rows
from sensorium.data.targets import TargetCoder
from sensorium.evaluation.answers import outputs, scored
from sensorium.evaluation.metrics import MAIN
from sensorium.model import MultimodalModel

__all__ = ["compare_alone", "majority", "verdict"]


def majority(coder: TargetCoder, target: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """The score of always answering the most frequent class or text, or the mean."""
    rows = len(target[0])
    if coder.task == "regression":
        said = np.zeros(rows)
    elif coder.task == "generation":
        said = coder.usual_answer(rows)
    elif coder.task == "multilabel":
        said = np.tile(np.array(coder.counts) > 0.5 * max(coder.counts), (rows, 1)).astype(float)
    else:
        said = np.tile(np.array(coder.counts) / sum(coder.counts), (rows, 1))
    return scored(coder, target, said)


def compare_alone(
    model: MultimodalModel, rows: Rows, valid: Rows, coder: TargetCoder, batch_size: int, budget: float
) -> dict[str, Any]:
    """Every input by itself, three ways, on the validation rows, for as long as `budget` (seconds) lasts.

    alone: the fused model with the other inputs absent. floors: the better of a linear model (see
    `fit_stack`) and an SVM on hand-made features of the input, which never saw a network ('all': of all inputs together).
    probes: a linear model on what the trained encoder gives.

    Returns:
        {"alone": {input: metrics}, "floors": ..., "probes": ..., "skipped": [what there was no time for]}.
    """
    start = time.monotonic()
    found: dict[str, Any] = {"alone": {}, "floors": {}, "probes": {}, "skipped": []}
    longest = 0.0

    def run(kind: str, name: str, make: Any) -> None:
        nonlocal longest
        began = time.monotonic()
        if began - start + longest > budget:
            found["skipped"].append(f"{kind} {name}")
            return
        found[kind][name] = make()
        longest = max(longest, time.monotonic() - began)

    target = coder.truth(valid.table.cells(coder.name))
    names = list(model.modalities)
    for name in names:
        run(
            "alone",
            name,
            lambda name=name: scored(
                coder, target, outputs(model, valid, batch_size, (name,))[coder.name], offsets=coder.offsets
            ),
        )
    if not coder.outputs:  # neither a linear model nor a machine writes texts
        return found
    values, chosen = rows.targets[coder.name][0], known_rows(rows, coder)

    def linear(train: Any, other: Any) -> Any:
        fitted = fit_linear(coder.task, train, values[chosen])
        return scored(coder, target, said(coder, fitted, other))

    def classical(train: dict[str, Any], other: dict[str, Any]) -> Any:
        """The better of stacked linear models and a kernel machine; texts' thousands of columns need no kernel."""
        stack = fit_stack(coder.task, train, values[chosen], coder.outputs)
        scores = scored(coder, target, stack_answers(coder.task, other, stack))
        if any(sparse.issparse(part) for part in train.values()) or coder.task == "multilabel":
            return scores
        fitted = fit_kernel(coder.task, together(list(train.values())), values[chosen])
        curved = scored(coder, target, said(coder, fitted, together(list(other.values()))))
        curved.pop("log_loss", None)  # its shares are no probabilities
        main = MAIN[coder.task]
        return curved if main in curved and curved[main]["value"] > scores[main]["value"] else scores

    made: list[dict[str, Any]] = []

    def features() -> list[dict[str, Any]]:
        """Of the training rows and of the validation rows, by input."""
        if not made:
            if model.wide is None:
                makes = HandMade(rows.readers)
                makes.fit(rows, chosen)
            else:
                makes = model.wide.features
            for part, places in ((rows, chosen), (valid, np.arange(len(valid)))):
                found = makes.matrix(part, places)
                made.append({name: found[name] for name in names})  # hand-made ones, no pretrained encoder's
        return made

    for name in names:
        run("floors", name, lambda name=name: classical(*({name: part[name]} for part in features())))
    if len(names) > 1:
        run("floors", "all", lambda: classical(*features()))
    slots: list[tuple[np.ndarray, np.ndarray]] = []

    def probe(place: int) -> Any:
        if not slots:
            slots.append((_slots(model, rows, batch_size, chosen), _slots(model, valid, batch_size)))
        train, other = slots[0]
        return linear(train[:, place], other[:, place])

    for place, name in enumerate(names):
        run("probes", name, lambda place=place: probe(place))
    return found


def said(coder: TargetCoder, fitted: Any, features: Any) -> np.ndarray:
    """A linear model's answers as a head would give them, a column a class."""
    if coder.task == "regression":
        return fitted.predict(features)
    probabilities = fitted.predict_proba(features)
    if coder.task == "multilabel":
        return probabilities
    full = np.zeros((len(probabilities), len(coder.classes)))
    full[:, fitted.classes_] = probabilities
    return full


@torch.no_grad()
def _slots(model: MultimodalModel, rows: Rows, batch_size: int, chosen: np.ndarray | None = None) -> np.ndarray:
    """What each encoder gives, pooled: (rows, inputs, width)."""
    model.eval()
    batches = rows.batches(batch_size, chosen)
    return np.concatenate([model.fusion.slots(model.encode(batch.inputs))[0].numpy() for batch in batches])


def verdict(
    coder: TargetCoder, fused: Mapping[str, Any], found: Mapping[str, Any], base: Mapping[str, Any]
) -> list[str]:
    """Warnings where the fused model does not win, in words."""
    name = MAIN[coder.task]
    if name not in fused:
        return []
    value = fused[name]["value"]
    warnings = []
    rivals = [
        (f"the {kind[:-1]} of '{key}'" if kind != "alone" else f"'{key}' alone", scores[name]["value"])
        for kind in ("alone", "floors", "probes")
        for key, scores in found[kind].items()
        if name in scores
    ]
    if rivals:
        best = max(rivals, key=lambda rival: rival[1])
        if best[1] > value:
            warnings.append(
                f"target '{coder.name}': fusion does not win: {name} {value:.3f}, but {best[0]} has {best[1]:.3f}."
            )
    if name in base and base[name]["value"] >= value:
        warnings.append(
            f"target '{coder.name}': {name} {value:.3f} is no better than always the same answer ({base[name]['value']:.3f})."
        )
    return warnings
