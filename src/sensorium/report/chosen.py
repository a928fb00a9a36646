"""The rows that tell most: sure and right, sure and wrong, inputs that disagree, inputs that are missing."""

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from sensorium.data.table import Table

if TYPE_CHECKING:
    from sensorium.explain.explanation import Explanation
    from sensorium.explain.overview import Overview
    from sensorium.predictor import Predictor

__all__ = ["KINDS", "Chosen", "choose", "rows_of"]

KINDS = ("right", "wrong", "disagreement", "missing")
EACH = 3  # rows of a kind


class Chosen(NamedTuple):
    """A row, why it was chosen, and its explanation."""

    kind: str
    explanation: "Explanation"


def choose(predictor: "Predictor", table: Table, target: str, overview: "Overview", parts: bool = True) -> list[Chosen]:
    """Three rows of each kind, explained; fewer where there are no such rows.

    Raises:
        ConfigError: a library that explanations need is not installed.
    """
    picked = rows_of(overview)
    if not picked:
        return []
    found = predictor.explain(table, list(picked), target, parts=parts)
    return [Chosen(picked[one.row], one) for one in found]


def rows_of(overview: "Overview") -> dict[int, str]:
    """The numbers of the rows, each with its kind, kinds in order.

    Sure and right are the most probable answers, each of another class as far as there are such; of numbers the smallest
    errors. Sure and wrong likewise, with the largest errors.
    """
    frame = overview.answers
    known = frame[frame["truth"].notna()]
    if overview.tolerance is None:
        is_right = [answer == truth for answer, truth in zip(known["answer"], known["truth"], strict=True)]
        order = known.assign(right=is_right).sort_values("probability", ascending=False, kind="stable")
        right, wrong = order[order["right"].astype(bool)], order[~order["right"].astype(bool)]
        right = right.assign(turn=right.groupby("answer").cumcount()).sort_values("turn", kind="stable")
    else:
        error = (known["answer"].astype(float) - known["truth"].astype(float)).abs()
        order = known.assign(error=error).sort_values("error", kind="stable")
        right = order[order["error"] <= overview.tolerance]
        wrong = order[order["error"] > overview.tolerance][::-1]
    inputs = list(overview.importance["input"])
    count = frame["missing"].map(len)
    missing = frame.assign(count=count)[(count > 0) & (count < len(inputs))].sort_values(
        "count", ascending=False, kind="stable"
    )
    found: dict[int, str] = {}
    for kind, rows in zip(KINDS, (right, wrong, overview.disagreements, missing), strict=True):
        for number in [number for number in _numbers(rows) if number not in found][:EACH]:
            found[number] = kind
    return found


def _numbers(frame: pd.DataFrame) -> list[Any]:
    return frame["row"].tolist()
