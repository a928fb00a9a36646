"""Pieces of HTML: tables, bars, a document. Whatever is text in them is escaped here."""

from collections.abc import Sequence
from html import escape
from typing import Any

from sensorium.explain.drawing.style import STYLE as PARTS
from sensorium.pictures.markup import Html

__all__ = ["STYLE", "bar", "document", "styled", "table"]

STYLE = (
    """
.sx{color-scheme:light dark;--ink:#1b1b1f;--faint:#5c5f66;--line:#d5d7dc;--plus:#0b6e99;--minus:#b3401d;
font:15px/1.5 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;color:var(--ink);max-width:60rem}
@media (prefers-color-scheme:dark){.sx{--ink:#e8e8ea;--faint:#a7aab2;--line:#3d4047;--plus:#6cc3ea;--minus:#f2906d}}
.sx h2,.sx h3,.sx h4{margin:1.2em 0 .3em;line-height:1.25}.sx p{margin:.3em 0;color:var(--faint)}
.sx-wide{overflow-x:auto}.sx table{border-collapse:collapse;margin:.4em 0}
.sx th,.sx td{padding:.25em .7em;text-align:left;border-bottom:1px solid var(--line);vertical-align:middle}
.sx th{font-weight:600;color:var(--faint)}.sx td.sx-n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.sx-bar{width:9em;height:.9em;display:block}.sx-bar line{stroke:var(--line)}
.sx-plus{fill:var(--plus)}.sx-minus{fill:var(--minus)}
"""
    + PARTS
)  # once in a page, for everything of this room


def bar(value: float, most: float, low: float | None = None, high: float | None = None) -> Html:
    """A bar to the right for what is above 0, to the left for what is below; with an interval, one from the left end.

    Args:
        value: its length, of `most`.
        most: the longest of the table, above 0.
        low, high: of an interval around a value of 0 or more, on the same scale: a line across the bar's end.
    """
    x, start, end = 50 * value / most, -51, ""
    if low is not None and high is not None:
        start = -1
        end = f'<path d="M{50 * low / most:.1f} 0H{50 * high / most:.1f}" stroke="currentColor"/>'
    side = "plus" if value >= 0 else "minus"
    return Html(
        f'<svg class="sx-bar" viewBox="{start} -5 {51 - start} 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{value:+.3g}"><line x1="0" x2="0" y1="-5" y2="5"/><rect class="sx-{side}" x="{min(x, 0):.1f}" y="-3" '
        f'width="{abs(x):.1f}" height="6"/>{end}</svg>'
    )


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; numbers are shown to three places, whatever else as escaped text."""
    lines = ["".join(f"<th>{escape(name)}</th>" for name in head)]
    lines += ["".join(_cell(cell) for cell in row) for row in rows]
    return '<div class="sx-wide"><table>' + "".join(f"<tr>{line}</tr>" for line in lines) + "</table></div>"


def styled(body: str) -> str:
    """The pieces with their styles before them, as a notebook takes them."""
    return f"<style>{STYLE}</style>{body}"


def document(title: str, body: str, language: str = "en") -> str:
    """A whole page that needs nothing from elsewhere."""
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>body{{margin:1rem;background:Canvas;color-scheme:light dark}}</style>"
        f"</head><body>{styled(body)}</body></html>"
    )


def _cell(cell: Any) -> str:
    if isinstance(cell, Html):
        return f"<td>{cell}</td>"
    if isinstance(cell, float):
        shown = f"{cell:.3f}" if 0.0005 <= abs(cell) < 1000 or cell == 0 else f"{cell:.2g}"
        return f'<td class="sx-n">{shown}</td>'
    if isinstance(cell, int):
        return f'<td class="sx-n">{cell}</td>'
    return f"<td>{escape(str(cell))}</td>"
