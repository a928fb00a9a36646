"""Columns and numbers, a bar each."""

from collections.abc import Sequence
from html import escape

import numpy as np

from sensorium.explain.part import Part

__all__ = ["bars", "draw_columns", "draw_vector"]

MOST = 20  # bars


def draw_columns(part: Part, say: dict[str, str]) -> str:
    """A bar a column, the most important first."""
    cells = [say["empty"] if cell is None else cell for cell in part.shown["cells"]]
    return bars(part.labels, cells, part.values, say)


def draw_vector(part: Part, say: dict[str, str]) -> str:
    """A bar a number, the most important first."""
    labels = [say["number"].format(place=place) for place in range(1, len(part.values) + 1)]
    return bars(labels, [f"{number:.3g}" for number in part.shown["numbers"]], part.values, say)


def bars(labels: Sequence[str], cells: Sequence[str], values: np.ndarray, say: dict[str, str]) -> str:
    """A table: name, what it is, its value, a bar to the right for and to the left against; the last rows in one."""
    order = np.argsort(-np.abs(values), kind="stable")
    rows = [(labels[at], cells[at], float(values[at])) for at in order[:MOST]]
    if len(order) > MOST:
        rows.append((say["rest"].format(count=len(order) - MOST), "", float(values[order[MOST:]].sum())))
    most = max((abs(value) for _, _, value in rows), default=0.0) or 1.0
    lines = []
    for label, cell, value in rows:
        size = 58 * abs(value) / most
        x = 60 if value >= 0 else 60 - size
        side = "p" if value >= 0 else "m"
        lines.append(
            f'<tr><td>{escape(str(label))}</td><td class="c">{escape(str(cell)[:200])}</td><td class="n">{value:+.3g}</td>'
            f'<td><svg width="120" height="14" aria-hidden="true"><path class="axis" d="M60 0v14"/>'
            f'<rect class="{side}" x="{x:.1f}" y="3" width="{size:.1f}" height="8"/></svg></td></tr>'
        )
    return f'<table class="sxp-bars">{"".join(lines)}</table>'
