"""The target of a run, for the rows of another table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sensorium.data.targets import CLASSED, MOST_CLASSES, TargetCoder, is_filled, label, labels
from sensorium.errors import DataError

__all__ = ["changes", "extend_target"]


def changes(known: TargetCoder, cells: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Classes in `cells` that a run does not know, sorted, and those of the run that no cell names."""
    named = _named([cell for cell in cells if is_filled(cell, known.task)], known.task)
    return sorted(set(named) - set(known.classes)), [name for name in known.classes if name not in named]


def extend_target(known: TargetCoder, cells: Sequence[Any]) -> TargetCoder:
    """The coder of a run with what new cells add: its classes in its order, then new ones, sorted. Numbers keep its scale.

    Args:
        known: of the run; it stays as it is.
        cells: to learn from. Classes that none of them names stay, with a count of 1 (of labels 0).

    Raises:
        DataError: no cell says anything; too many new classes, or one of one row; no class of two rows.

    Example:
        >>> known = TargetCoder("pet", "binary", ["cat", "dog"], [5, 5])
        >>> extended = extend_target(known, ["dog", "ant", "ant"])
        >>> extended.task, extended.classes, extended.counts
        ('classification', ['cat', 'dog', 'ant'], [1, 1, 2])
    """
    filled = [cell for cell in cells if is_filled(cell, known.task)]
    if not filled:
        kind = "a number" if known.task == "regression" else "a value"
        raise DataError(
            f"target '{known.name}' has {kind} in none of {len(cells)} rows. The run was fitted for {known.task}; "
            "check the column."
        )
    if known.task == "regression":
        return replace(known)
    counts = _named(filled, known.task)
    new = sorted(set(counts) - set(known.classes))
    task, least = known.task, 0
    if known.task in CLASSED:
        _check(known, counts, new, len(filled))
        task, least = "classification" if new else known.task, 1
    classes = [*known.classes, *new]
    return TargetCoder(known.name, task, classes, [max(counts[name], least) for name in classes])


def _named(cells: Sequence[Any], task: str) -> Counter[str]:
    """How many of these filled cells name each class or label."""
    counts: Counter[str] = Counter()
    if task == "multilabel":
        for cell in cells:
            counts.update(set(labels(cell)))
    elif task in CLASSED:
        counts.update(map(label, cells))
    return counts


def _check(known: TargetCoder, counts: Counter[str], new: list[str], rows: int) -> None:
    if len(new) > min(MOST_CLASSES, rows // 2):
        raise DataError(
            f"target '{known.name}' has {len(new)} classes in {rows} rows that the run does not know, such as '{new[0]}'; "
            f"it knows {', '.join(known.classes[:5])}. Check the column, or give more rows of each class."
        )
    if rare := [name for name in new if counts[name] < 2]:
        raise DataError(
            f"target '{known.name}': fewer than 2 rows of {len(rare)} classes that are new ({', '.join(rare[:5])}); "
            "a class needs one row to learn from and one to check with. Add rows, or merge or leave out those classes."
        )
    if max(counts.values()) < 2:
        raise DataError(
            f"target '{known.name}' has no class of 2 rows: one to learn from and one to check with. Add rows."
        )
