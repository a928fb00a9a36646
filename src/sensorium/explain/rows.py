"""Explanations of single rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sensorium.data.batches import Rows
from sensorium.data.table import Table
from sensorium.data.targets import CLASSED, TargetCoder
from sensorium.errors import ConfigError, DataError, did_you_mean
from sensorium.evaluation.calibration import Calibration
from sensorium.explain.explanation import Explanation, Explanations
from sensorium.explain.shapley import Coalitions, pairs_of, shares_of_present
from sensorium.explain.subsets import Answers, answers_of_subsets, subsets
from sensorium.model import MultimodalModel

__all__ = ["alone_and_without", "asked", "decoded", "explain_rows", "numbered", "spelled", "truths"]


def asked(coders: Mapping[str, TargetCoder], target: str | None, label: str | None) -> tuple[TargetCoder, int | None]:
    """The target to explain, and the place of the class or label; None: of each row's own answer.

    Raises:
        ConfigError: an unknown target or class, a target of texts, a class of a regression.
    """
    if target is not None and target not in coders:
        raise ConfigError(f"unknown target '{target}'. {did_you_mean(target, coders)}")
    told = {name: coder for name, coder in coders.items() if coder.task != "generation"}
    name = target if target is not None else next(iter(told), None)
    if name not in told:
        raise ConfigError(
            f"target '{name or ', '.join(coders)}' is texts, of which there is no one number to explain. "
            f"Targets that can be explained: {', '.join(told) or 'none'}."
        )
    coder = told[name]
    if label is None:
        return coder, None
    if not coder.classes:
        raise ConfigError(f"target '{name}' is a number and has no class '{label}'. Leave the class out.")
    if label not in coder.classes:
        raise ConfigError(f"target '{name}' has no class '{label}'. {did_you_mean(label, coder.classes)}")
    return coder, coder.classes.index(label)


def numbered(table: Table, numbers: Sequence[int] | None) -> Table:
    """The rows of these numbers, in this order; all where None.

    Raises:
        DataError: no number, or one that no row has.
    """
    if numbers is None:
        return table
    places = {table.number(place): place for place in range(len(table))}
    if not len(numbers):
        raise DataError("no rows to explain were given. Name some, such as 1,2.")
    for number in numbers:
        if number not in places:
            raise DataError(
                f"{table.name} has no row {number}; its {len(table)} rows are {min(places)} to {max(places)}."
            )
    return table.take([places[number] for number in numbers])


def explain_rows(
    model: MultimodalModel,
    rows: Rows,
    coder: TargetCoder,
    calibration: Calibration,
    batch_size: int,
    output: int | None = None,
    method: str | None = "auto",
) -> Explanations:
    """An explanation of each row.

    Args:
        model: trained.
        rows: to explain, read by the model's readers.
        coder, calibration: of the target.
        batch_size: rows at once.
        output: the class or label explained; None: of each row's own answer.
        method: of `explain_parts`; None leaves the parts out.
    """
    coalitions, truth = subsets(model.modalities), truths(rows, coder)
    found = Explanations()
    for told in answers_of_subsets(model, rows, coder, calibration, coalitions, batch_size, output):
        found.extend(_explanations(model, rows, coder, coalitions, told, truth, method))
    return found


def _explanations(
    model: MultimodalModel,
    rows: Rows,
    coder: TargetCoder,
    coalitions: Coalitions,
    told: Answers,
    truth: Sequence[Any],
    method: str | None,
) -> list[Explanation]:
    """The explanations of one batch."""
    names, count = model.modalities, len(model.modalities)
    singles, pairs = shares_of_present(coalitions, told.number, told.present)
    alone, without = alone_and_without(coder, coalitions, told)
    whole = decoded(coder, told.outputs[-1])
    found = []
    for i, place in enumerate(told.places.tolist()):
        output, present = int(told.explained[i]), told.present[i]
        there = [name for name, has in zip(names, present, strict=True) if has]
        parts = {}
        if method is not None and there:
            from sensorium.explain.parts import explain_parts  # here: it loads Captum

            parts = explain_parts(model, rows, place, coder.name, output, there, method)
        probability = None if coder.task == "regression" else float(told.outputs[-1, i, output])
        found.append(
            Explanation(
                row=rows.table.number(place),
                target=coder.name,
                answer=whole[i],
                explained=coder.classes[output] if coder.classes else None,
                probability=probability,
                truth=truth[place],
                base=float(told.number[0, i]),
                output=float(told.number[-1, i]),
                values=dict(zip(names, singles[:, i].tolist(), strict=True)),
                interactions={
                    (names[a], names[b]): float(value)
                    for (a, b), value in zip(pairs_of(count), pairs[:, i], strict=True)
                    if present[a] and present[b]
                },
                alone={name: alone[m, i] for m, name in enumerate(names) if present[m]},
                without={name: without[m, i] for m, name in enumerate(names) if present[m]},
                exact=coalitions.exact,
                parts=parts,
            )
        )
    return found


def alone_and_without(coder: TargetCoder, coalitions: Coalitions, told: Answers) -> tuple[np.ndarray, np.ndarray]:
    """The answers (M, B) from each input alone, and when it alone is missing."""
    members = coalitions.members
    single = np.eye(members.shape[1], dtype=bool)
    found = []
    for wanted in (single, ~single):
        subsets = (members[:, None] == wanted).all(2).argmax(0)  # (M,): where each is; always asked
        found.append(np.array([decoded(coder, told.outputs[subset]) for subset in subsets], dtype=object))
    return found[0], found[1]


def decoded(coder: TargetCoder, outputs: np.ndarray) -> list[Any]:
    """The answers that a head's outputs mean."""
    return coder.decode(outputs).tolist()


def spelled(coder: TargetCoder, values: np.ndarray, known: np.ndarray) -> list[Any]:
    """What true values, as the coder gives them, are called; None where they are not known."""
    classed = coder.task in CLASSED
    names = [coder.classes[int(value)] for value in values] if classed else decoded(coder, values)
    return [name if there else None for name, there in zip(names, known, strict=True)]


def truths(rows: Rows, coder: TargetCoder) -> list[Any]:
    """What the table says of the target, as answers look; None where it says nothing known, or has no such column."""
    if coder.name not in rows.table.columns:
        return [None] * len(rows)
    return spelled(coder, *coder.truth(rows.table.cells(coder.name)))
