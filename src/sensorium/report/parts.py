"""A run's network part by part, with what each costs."""

from typing import Any

from sensorium.data.full_row import full_row
from sensorium.evaluation.costs import costs

__all__ = ["parts_with_costs", "short_number"]


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


def short_number(number: float) -> str:
    """Three digits and a unit.

    Example:
        >>> [short_number(n) for n in (0, 999, 1234, 56_780_000, 2.5e9)]
        ['0', '999', '1.23 k', '56.8 M', '2.5 G']
    """
    number = float(f"{number:.3g}")
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def _shape(sizes: tuple[int, ...]) -> str:
    """Of a batch."""
    return f"(B, {', '.join(map(str, sizes[1:]))})" if len(sizes) > 1 else "(B,)"
