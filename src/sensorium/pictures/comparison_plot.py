"""A comparison as a picture: a point with its interval for each cell, by generation. SVG, written by hand."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from sensorium.pictures.ticks import ticks

__all__ = ["comparison_plot"]

COLOURS = {
    "classical": "#8a6d3b",
    "cnn_rnn": "#1f77b4",
    "transformer": "#b5338a",
    "network": "#2a8f6d",
    "fit": "#444444",
}
NAMES = {
    "classical": "classical",
    "cnn_rnn": "CNN and RNN",
    "transformer": "Transformer",
    "network": "network",
    "fit": "as fit makes it",
}
LINE, HEAD, TOP, FOOT = 20, 30, 44, 40  # pixels: a cell, a generation's name, above, below
LEFT, PLOT, RIGHT = 330, 480, 70  # labels, the plot, its numbers
WIDEST = 32  # characters of the inputs' names


def comparison_plot(rows: Sequence[Mapping[str, Any]], title: str, majority: float | None = None) -> str:
    """The SVG text.

    Args:
        rows: generation, model, inputs, fusion, score, low, high, standing of each cell, best first; those without a
            score are left out.
        title: above it.
        majority: the score of always the same answer, as a dotted line.
    """
    rows = [row for row in rows if row.get("score") is not None and np.isfinite(row["score"])]
    groups = {name: [row for row in rows if row["generation"] == name] for name in COLOURS}
    groups = {name: own for name, own in groups.items() if own}
    height = TOP + FOOT + LINE * len(rows) + HEAD * len(groups)
    marks = ticks([row[end] for row in rows for end in ("low", "high")] + [majority] * (majority is not None))

    def x(value: float) -> float:
        return LEFT + PLOT * (value - marks[0]) / (marks[-1] - marks[0])

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + PLOT + RIGHT}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{LEFT + PLOT + RIGHT}" height="{height}" fill="white"/>',
        _text(16, 24, title, 'font-size="15" font-weight="bold"'),
    ]
    for tick in marks:
        parts.append(_line(x(tick), TOP, x(tick), height - FOOT, 'stroke="#e4e4e4"'))
        parts.append(_text(x(tick), height - FOOT + 16, f"{tick:.10g}", 'text-anchor="middle" fill="#555"'))
    if majority is not None:
        parts.append(_line(x(majority), TOP, x(majority), height - FOOT, 'stroke="#777" stroke-dasharray="2 3"'))
        parts.append(
            _text(x(majority), height - FOOT + 31, "always the same answer", 'text-anchor="middle" fill="#777"')
        )
    y = TOP
    for name, own in groups.items():
        y += HEAD
        parts.append(_text(16, y - 8, NAMES[name], f'font-weight="bold" fill="{COLOURS[name]}"'))
        for row in own:
            parts += _cell(row, y + LINE / 2, x, COLOURS[name])
            y += LINE
    parts.append(_text(16, height - 9, "filled: the best, and what can't be told from it", 'fill="#555"'))
    return "\n".join([*parts, "</svg>", ""])


def _cell(row: Mapping[str, Any], y: float, x: Any, colour: str) -> list[str]:
    """A label, an interval, a point (filled for the winner and what can't be told from the best), and the score."""
    best = row["standing"] in {"winner", "best"}
    weight = 'font-weight="bold"' if best else ""
    fill = colour if row["standing"] else "white"
    # Of networks the fusion says more than the encoders, which are the generation's.
    kind = row["model"].replace("_", " ") if row["generation"] == "classical" else row["fusion"]
    inputs, kind = row["inputs"], f": {kind}" if kind else ""
    shown = (inputs if len(inputs) <= WIDEST else inputs[: WIDEST - 1] + "…") + kind
    return [
        _text(LEFT - 12, y + 4, shown, f'text-anchor="end" {weight}'),
        _line(x(row["low"]), y, x(row["high"]), y, f'stroke="{colour}" stroke-width="1.5"'),
        f'<circle cx="{x(row["score"]):.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{colour}" stroke-width="1.5">'
        f"<title>{escape(inputs + kind)}: {row['score']:.3f} [{row['low']:.3f}, {row['high']:.3f}]</title></circle>",
        _text(LEFT + PLOT + 12, y + 4, f"{row['score']:.3f}", weight),
    ]


def _line(x1: float, y1: float, x2: float, y2: float, more: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {more}/>'


def _text(x: float, y: float, words: str, more: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'
