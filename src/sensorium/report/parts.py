"""A run's network part by part, with what each costs."""

from typing import Any

from sensorium.data.full_row import full_row
from sensorium.evaluation.costs import costs

__all__ = ["parts_with_costs"]


def parts_with_costs(predictor: Any) -> list[dict[str, Any]]:
    """`Predictor.parts()` with `input` and `output` (shapes, B rows) and `flops` of a row in which nothing is missing.

    Texts and recordings are as long as the run reads them at most: a usual row costs less.
    """
    found = costs(predictor.model, full_row(predictor.readers))
    parts = []
    for part in predictor.parts():
        cost = found[part["kind"], part["part"]]
        output = part["output"] if part["kind"] != "encoder" else _shape(cost.made)
        given = "" if cost.given is None else _shape(cost.given)
        parts.append({**part, "input": given, "output": output, "flops": cost.flops})
    return parts


def _shape(sizes: tuple[int, ...]) -> str:
    """Of a batch."""
    return f"(B, {', '.join(map(str, sizes[1:]))})" if len(sizes) > 1 else "(B,)"
