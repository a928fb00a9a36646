"""Figures that plotly draws when the page is opened."""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from sensorium.errors import imported_for
from sensorium.pictures.markup import Html, tag

__all__ = ["DASHES", "SYMBOLS", "named_axis", "plot", "plotly_script", "shorter"]

# Lines and points are told apart by these, too, and not by colour alone.
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
OURS = {"hovertemplate", "texttemplate"}  # what plotly reads as a template; no word of a user's goes in there
LONGEST = 24  # characters of a name on an axis


def plotly_script() -> str:
    """plotly.js, as the Python package brings it.

    Raises:
        ConfigError: plotly is not installed.
    """
    with imported_for("a report", "plotly", "report"):
        from plotly.offline import get_plotlyjs
    return get_plotlyjs()


def plot(data: Sequence[Mapping[str, Any]], label: str, height: int = 320, **layout: Any) -> Html:
    """A figure's place in the page, with its data.

    Every text in it is escaped, since plotly reads tags in labels, but for templates.

    Args:
        data, layout: as plotly takes them.
        label: what the figure shows, for those who can't see it.
        height: CSS pixels.
    """
    told = json.dumps(_plain({"data": list(data), "layout": layout}), ensure_ascii=False, allow_nan=False)
    box = tag("div", class_="plot", role="img", aria_label=label, style=f"height:{height}px")
    return Html(
        f'<figure>{box}<script type="application/json">{told.replace("<", chr(92) + "u003c")}</script></figure>'
    )


def named_axis(names: Sequence[str], **more: Any) -> dict[str, Any]:
    """An axis whose places 0, 1, ... have names: two names that look alike when cut stay two."""
    places = list(range(len(names)))
    return {"tickvals": places, "ticktext": [shorter(name) for name in names], "automargin": True, **more}


def shorter(name: Any, most: int = LONGEST) -> str:
    """A name that fits on an axis.

    Example:
        >>> shorter("abcdef", 4)
        'abc…'
    """
    text = " ".join(str(name).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _plain(value: Any, key: str = "") -> Any:
    """As JSON has it: arrays as lists, NaN as null, texts escaped."""
    if isinstance(value, Mapping):
        return {name: _plain(part, name) for name, part in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(part, key) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, str) and key not in OURS:
        return escape(value, quote=False)
    return value
