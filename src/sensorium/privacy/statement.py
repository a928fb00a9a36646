"""What is promised of a run, in numbers and in words, and what the promise leaves out."""

from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from sensorium.data.batches import Reader
from sensorium.data.targets import TargetCoder
from sensorium.model import MultimodalModel
from sensorium.privacy.dp import Private
from sensorium.privacy.norms import group_norms
from sensorium.privacy.rules import OFF

__all__ = ["statement"]


def statement(
    private: Private,
    model: MultimodalModel,
    readers: Mapping[str, Reader],
    coders: Mapping[str, TargetCoder],
    given: Collection[str],
    start: str | None,
) -> dict[str, Any]:
    """All that there is to say of a training's privacy, as it goes to `metrics["privacy"]`.

    Args:
        private: after training.
        model, readers, coders: of the fit.
        given: inputs whose readers come from another run.
        start: the run that was started from.
    """
    learned, whole = private.parameters
    return {
        "epsilon": private.spent,
        "delta": private.delta,
        "budget": private.options.epsilon,
        "unit": "one row of the rows learned from, added or left out",
        "method": "DP-SGD (Poisson sampling, gradients of rows cut, Gaussian noise)",
        "accountant": f"PRV, Opacus {version('opacus')}",
        "noise": private.noise,
        "clip": private.options.clip,
        "sample_rate": private.rate,
        "steps": private.steps,
        "planned_steps": private.planned,
        "rows": private.rows,
        "learned_parameters": learned,
        "all_parameters": whole,
        "replaced": [f"{path}: batch norm by group norm" for path in group_norms(model)],
        "off": [*OFF, "the best epoch (the last is kept)", "train_loss in history.csv", "problems.csv"],
        "outside": list(_outside(private, readers, coders, given, start)),
    }


def _outside(
    private: Private,
    readers: Mapping[str, Reader],
    coders: Mapping[str, TargetCoder],
    given: Collection[str],
    start: str | None,
) -> Iterator[str]:
    """What epsilon does not cover."""
    if private.delta >= 1 / private.rows:
        yield f"delta is 1 / rows or more ({1 / private.rows:.2g}): a method that publishes a row would keep to it"
    learned = [name for name in readers if name not in given]
    for name in learned:
        modality = readers[name].modality
        if modality == "text" and not getattr(readers[name], "given", False):
            yield f"the vocabulary of '{name}': words and parts of words of the training rows"
        elif modality == "tabular":
            yield f"of '{name}': the mean and spread of its numbers, and the list of its categories"
        elif modality == "vector":
            yield f"the mean and spread of '{name}'"
    for name, coder in coders.items():
        if coder.task == "regression":
            yield f"the mean and spread of target '{name}'"
        elif coder.classes:
            yield f"the classes of target '{name}', and how many training rows each has"
    yield "what the configuration took from the table: the inputs, their sizes, schema.json with its counts"
    yield "the validation rows: scores, calibration and prediction sets are theirs, without noise"
    yield "the number of rows learned from, which is taken for known"
    yield "several rows of one person: each counts by itself, so that k rows are protected by about k x epsilon"
    yield "choices made by looking at other fits on the same rows: each fit spends its own epsilon"
    if start is not None:
        yield f"{start}, whose weights were started from: what it tells of its own rows it still tells"
    if private.options.secure_noise is False:
        yield "attacks on floating-point noise (privacy.secure_noise is off)"
