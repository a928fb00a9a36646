"""Scores of each group of rows: of each speaker, hospital or camera."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sensorium.data.groups import row_names
from sensorium.data.table import Table
from sensorium.errors import DataError
from sensorium.evaluation.metrics import MAIN

__all__ = ["COMPARED", "by_group", "flat_groups"]

COMPARED = {**MAIN, "regression": "rmse"}  # r2 is of a group's own spread: of two with the same errors it tells apart

MOST_GROUPS = 200  # of more, the intervals take minutes, and each is of few rows


def by_group(
    table: Table, column: str, used: np.ndarray, scores: Callable[[np.ndarray], dict[str, Any]], main: str
) -> dict[str, Any]:
    """The scores of the rows of each value of a column, and which is the worst.

    Args:
        table: the rows.
        column: of `table`; rows in which it is empty are a group of their own, called "".
        used: which rows can be scored, (N,) bool.
        scores: the metrics of some of the rows, given as (N,) bool.
        main: the metric by which a group is the worst.

    Returns:
        {"column", "main", "worst": its name, None where no group has the metric, "groups": {name: {"metrics", "rows"}}}.

    Raises:
        DataError: too many values of it.
    """
    names = np.array(row_names(table, column), dtype=object)
    found = sorted(set(names[used].tolist()))
    if len(found) > MOST_GROUPS:
        raise DataError(
            f"column '{column}' of {table.name} has {len(found)} values; groups are scored up to {MOST_GROUPS}. "
            "Take a column of fewer values."
        )
    groups = {}
    for name in found:
        own = used & (names == name)
        groups[name] = {"metrics": scores(own), "rows": int(own.sum())}
    known = {name: group["metrics"][main]["value"] for name, group in groups.items() if main in group["metrics"]}
    worst = max if main.rpartition(".")[2] == "rmse" else min
    return {
        "column": column,
        "main": main,
        "worst": worst(known, key=known.__getitem__) if known else None,
        "groups": groups,
    }


def flat_groups(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What `evaluate` found by groups as rows of a table: first those of all rows, then of each group."""
    by = found["by"]
    parts = [("all", found, False)]
    parts += [(f"{by['column']}={name}", group, name == by["worst"]) for name, group in by["groups"].items()]
    return [
        {"of": of, "rows": part["rows"], "worst": worst, "metric": metric, **score}
        for of, part, worst in parts
        for metric, score in part["metrics"].items()
    ]
