"""A network as a picture: inputs, encoders, fusion and heads from left to right. SVG, laid out by hand."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sensorium.pictures.short_number import short_number

__all__ = ["diagram_svg"]

BOX, HIGH, APART, GAP = 176, 74, 14, 128  # pixels: a box, its height, between rows, between columns, for the shapes
MARGIN, TOP = 14, 40
LONGEST = 22  # letters of a name; those of Chinese, which are twice as wide, count double
WORDS = {
    "inputs": "inputs", "encoders": "encoders", "fusion": "fusion", "heads": "heads", "parameters": "parameters",
    "hand-made": "hand-made features", "alone": "{} alone",
}  # fmt: skip
# Rules for both, since viewers that are no browsers know no variables; `.sd` keeps them off the page around it.
STYLE = """
.sd { font: 13px system-ui, sans-serif; color-scheme: light dark; }
.sd text { fill: #1a1a1a; } .sd .small { font-size: 11px; fill: #4d4d4d; } .sd .name { font-weight: 600; }
.sd rect { fill: #f4f6f8; stroke: #4a5a6a; stroke-width: 1.2; }
.sd .fusion { fill: #e6eef7; stroke-width: 2; } .sd .head { stroke-width: 2; } .sd .beside { stroke-dasharray: 5 3; }
.sd .arrow { fill: none; stroke: #4a5a6a; stroke-width: 1.4; } .sd .tip { fill: #4a5a6a; }
@media (prefers-color-scheme: dark) {
.sd text { fill: #ececec; } .sd .small { fill: #b9c0c7; }
.sd rect { fill: #20262c; stroke: #9fb0c0; } .sd .fusion { fill: #22344a; }
.sd .arrow { stroke: #9fb0c0; } .sd .tip { fill: #9fb0c0; }
}
"""


def diagram_svg(parts: Sequence[Mapping[str, Any]], words: Mapping[str, str] = WORDS) -> str:
    """The SVG text, which may stand in a page or in a file of its own.

    Hand-made features, and the network of an input by itself, stand below and go to the heads beside the fusion.

    Args:
        parts: of `sensorium.report.parts.parts_with_costs`, or of `Predictor.parts`, which lack shapes of inputs and FLOPs.
        words: of the headings, in another language.
    """
    encoders = [part for part in parts if part["kind"] == "encoder"]
    beside = [part for part in parts if part["kind"] in {"wide", "single"}]
    ends = [part for part in parts if part["kind"] in {"head", "objective"}]
    fusion = next(part for part in parts if part["kind"] == "fusion")
    columns = [MARGIN + place * (BOX + GAP) for place in range(4)]
    rows = max(len(encoders), len(ends))
    tall, row = rows * (HIGH + APART) - APART, HIGH + APART
    width, height = columns[-1] + BOX + MARGIN, TOP + tall + len(beside) * row + MARGIN
    found = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sd" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{_clean(_told(encoders, fusion, ends))}">',
        f"<style>{STYLE}</style>",
    ]
    for x, word in zip(columns, ("inputs", "encoders", "fusion", "heads"), strict=True):
        found.append(_text(x + BOX / 2, 24, words[word], "name"))
    for y, part in zip(_spread(len(encoders), tall), encoders, strict=True):
        found += _box(columns[0], y, HIGH, [part["part"]], "input")
        found += _arrow(columns[0] + BOX, columns[1], y + HIGH / 2, part.get("input", ""))
        found += _box(columns[1], y, HIGH, [part["layer"], *_sizes(part, words)], "encoder")
        found += _arrow(columns[1] + BOX, columns[2], y + HIGH / 2, part["output"])
    found += _box(columns[2], TOP, tall, [fusion["layer"], *_sizes(fusion, words)], "fusion")
    places = _spread(len(ends), tall)
    for y, part in zip(places, ends, strict=True):
        found += _arrow(columns[2] + BOX, columns[3], y + HIGH / 2, fusion["output"])
        found += _box(columns[3], y, HIGH, [part["part"], part["layer"], *_sizes(part, words)], "head")
    for place, part in enumerate(beside):
        y, bus = TOP + tall + APART + place * row, columns[3] - 14 - 10 * place
        name = words["hand-made"] if part["kind"] == "wide" else words["alone"].format(part["part"])
        found += _box(columns[1], y, HIGH, [name, part["layer"], *_sizes(part, words)], "beside")
        for end in places:
            into = end + HIGH - 10 - 8 * place
            path = f"M{columns[1] + BOX} {y + HIGH / 2:.1f}H{bus}V{into:.1f}H{columns[3] - 7}"
            found += [f'<path class="arrow" d="{path}"/>', _tip(columns[3], into)]
        found.append(_text(columns[1] + BOX + 8, y + HIGH / 2 - 5, part["output"], "small", "start"))
    return "\n".join([*found, "</svg>", ""])


def _told(encoders: Sequence[Mapping[str, Any]], fusion: Mapping[str, Any], ends: Sequence[Mapping[str, Any]]) -> str:
    """The picture in words, for those who don't see it."""
    names = ", ".join(f"{part['part']} ({part['layer']})" for part in encoders)
    return f"{names} -> {fusion['layer']} -> {', '.join(part['part'] for part in ends)}"


def _spread(count: int, tall: int) -> list[float]:
    """The upper edges of boxes, evenly over the height of the picture."""
    first = (tall - count * (HIGH + APART) + APART) / 2
    return [TOP + first + place * (HIGH + APART) for place in range(count)]


def _sizes(part: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    found = [f"{short_number(part['parameters'])} {words['parameters']}"]
    return [*found, f"{short_number(part['flops'])} FLOPs"] if "flops" in part else found


def _box(x: float, y: float, high: float, lines: Sequence[str], kind: str) -> list[str]:
    """A box with its lines, the first of which is its name."""
    found = [f"<g><title>{_clean(', '.join(lines))}</title>"]
    found.append(f'<rect class="{kind}" x="{x}" y="{y:.1f}" width="{BOX}" height="{high}" rx="6"/>')
    step = 15
    first = y + high / 2 - step * (len(lines) - 1) / 2 + 4
    for place, line in enumerate(lines):
        found.append(_text(x + BOX / 2, first + step * place, _short(line), "small" if place else "name"))
    return [*found, "</g>"]


def _arrow(start: float, end: float, y: float, words: str) -> list[str]:
    """From box to box, with the shape of what goes there."""
    line = f'<path class="arrow" d="M{start} {y:.1f}H{end - 7}"/>'
    return [line, _tip(end, y), _text((start + end) / 2 - 3, y - 6, words, "small")]


def _tip(x: float, y: float) -> str:
    return f'<path class="tip" d="M{x} {y:.1f}l-8 -4v8z"/>'


def _text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_clean(words)}</text>'


def _short(words: str) -> str:
    """Cut to LONGEST."""
    length = 0
    for place, letter in enumerate(words):
        length += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if length > LONGEST:
            return words[: place - 1] + "…"
    return words


def _clean(text: str) -> str:
    """A column's name may hold what means something to XML, or what XML can't hold at all."""
    return escape(re.sub("[^\t\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", " ".join(text.splitlines())))
