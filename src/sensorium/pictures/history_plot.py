"""The curves of a training as a PNG, drawn with Pillow, which is there for the images anyhow."""

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sensorium.pictures.ticks import ticks

__all__ = ["history_plot"]

SCALE = 2  # drawn so many times larger, then scaled down, which makes lines smooth
WIDTH, PANEL, HEAD, FOOT, LEFT, RIGHT = 920, 260, 64, 52, 74, 236  # pixels; HEAD and FOOT of each panel
INK, GREY, GRID = "#1a1a1a", "#595959", "#e2e2e2"
# Of Okabe and Ito 2008, those that are dark enough on white. Curves differ in dashes and marks, too.
COLOURS = ("#0072b2", "#d55e00", "#00805e", "#a8457e", "#5b4b9a", "#7a5c1e")
DASHES: tuple[tuple[int, ...], ...] = ((), (9, 5), (2, 4), (12, 4, 2, 4), (5, 3), (1, 3))  # on, off, ... pixels
MARKS = ("circle", "square", "triangle", "cross", "diamond", "bar")
MARKED = 60  # epochs; beyond that there are no marks on the curves
WORDS = {
    "train_loss": "training",
    "valid_loss": "validation",
    "valid_contrast": "validation, contrast",
    "valid_rebuild": "validation, rebuilding",
    "domain_loss": "domains",
}  # of the losses
FONTS = ("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "msyh.ttc", "PingFang.ttc")  # for names that are not Latin
FLAT = 1e-4  # a smaller spread is drawn as none
LONGEST = 26  # characters of a curve's name


def history_plot(history: Sequence[Mapping[str, Any]]) -> bytes:
    """The PNG file: losses above, scores of the validation rows below, the best epoch marked in both.

    Args:
        history: a row an epoch, with epoch, train_loss, valid_loss and what else the training tells; choice, where the
            best epoch was chosen by another number than valid_loss.
    """
    names = list(dict.fromkeys(name for row in history for name in row))
    told = [name for name in names if name.startswith("valid_") and name not in WORDS]
    scores = [name for name in told if not name.startswith("valid_loss ")]  # those are of inputs alone
    panels = [("loss", [name for name in WORDS if name in names]), ("score of the validation rows", scores)]
    panels = [(title, found) for title, found in panels if found]
    best = min(history, key=lambda row: row.get("choice", row["valid_loss"]))["epoch"]
    canvas = _Canvas(len(panels) * (HEAD + PANEL + FOOT), "".join(names))
    for place, (title, found) in enumerate(panels):
        curves = {name: np.array([row.get(name, np.nan) for row in history], dtype=float) for name in found}
        canvas.panel(place * (HEAD + PANEL + FOOT) + HEAD, title, [row["epoch"] for row in history], curves, best)
    return canvas.png()


class _Canvas:
    """A picture to draw on, in pixels of the finished one. letters: that it will write."""

    def __init__(self, height: int, letters: str):
        self.image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), "white")
        self.draw = ImageDraw.Draw(self.image)
        self.fonts = {size: _font(size * SCALE, letters) for size in (13, 16)}

    def panel(self, top: int, title: str, epochs: list[int], curves: dict[str, np.ndarray], best: int) -> None:
        """Axes with grid, the best epoch, and every curve with its name at its end."""
        wide, bottom = WIDTH - LEFT - RIGHT, top + PANEL
        finite = [float(value) for curve in curves.values() for value in curve if np.isfinite(value)] or [0.0]
        low, high = min(finite), max(finite)
        marks = ticks([low if high - low > FLAT else high - 0.1, high], 5)
        first, last = epochs[0], max(epochs[-1], epochs[0] + 1)

        def at(epoch: float, value: float) -> tuple[float, float]:
            return (
                LEFT + wide * (epoch - first) / (last - first),
                bottom - PANEL * (value - marks[0]) / (marks[-1] - marks[0]),
            )

        self.text((LEFT, top - 34), title, INK, 16)
        for tick in marks:
            _, y = at(first, tick)
            self.line([(LEFT, y), (LEFT + wide, y)], GRID)
            self.text((LEFT - 10, y), f"{tick:.10g}", GREY, anchor="rm")
        for epoch in (tick for tick in ticks([first, last], 10) if tick == round(tick) and first <= tick <= epochs[-1]):
            self.text((at(epoch, 0)[0], bottom + 16), f"{epoch:.0f}", GREY, anchor="mm")
        self.text((LEFT + wide, bottom + 34), "epoch", GREY, anchor="rm")
        x, _ = at(best, 0)
        self.line([(x, top), (x, bottom)], GREY, dashes=(3, 4))
        self.text((x, top - 11), f"best: {best}", GREY, anchor="lm")
        ends = {}
        for place, (name, curve) in enumerate(curves.items()):
            points = [at(e, v) for e, v in zip(epochs, curve, strict=True) if np.isfinite(v)]
            style = place % len(COLOURS)
            self.line(points, COLOURS[style], 2, DASHES[style])
            for point in points if len(points) <= MARKED else points[-1:]:
                self.mark(point, style)
            if points:
                ends[name] = points[-1][1], style, curve[np.isfinite(curve)][-1]
        for (name, (_, style, value)), y in zip(ends.items(), _apart([y for y, *_ in ends.values()], 20), strict=True):
            self.line([(LEFT + wide + 14, y), (LEFT + wide + 44, y)], COLOURS[style], 2, DASHES[style])
            self.mark((LEFT + wide + 29, y), style)
            label = WORDS.get(name, name.removeprefix("valid_"))
            label = label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"
            self.text((LEFT + wide + 50, y), f"{label} {value:.3f}", COLOURS[style], anchor="lm")

    def text(self, at: tuple[float, float], words: str, colour: str, size: int = 13, anchor: str = "lt") -> None:
        x, y = at
        self.draw.text((x * SCALE, y * SCALE), words, colour, self.fonts[size], anchor)

    def line(
        self, points: list[tuple[float, float]], colour: str, width: int = 1, dashes: tuple[int, ...] = ()
    ) -> None:
        for part in _dashed(points, dashes) if dashes else [points]:
            self.draw.line([(x * SCALE, y * SCALE) for x, y in part], colour, width * SCALE, "curve")

    def mark(self, at: tuple[float, float], style: int) -> None:
        x, y, r, colour = at[0] * SCALE, at[1] * SCALE, 4 * SCALE, COLOURS[style]
        box, shape = (x - r, y - r, x + r, y + r), MARKS[style]
        if shape == "circle":
            self.draw.ellipse(box, colour)
        elif shape == "square":
            self.draw.rectangle(box, colour)
        elif shape == "triangle":
            self.draw.polygon([(x - r, y + r), (x + r, y + r), (x, y - r)], colour)
        elif shape == "diamond":
            self.draw.polygon([(x - r, y), (x, y - r), (x + r, y), (x, y + r)], colour)
        elif shape == "cross":
            self.draw.line([(x - r, y - r), (x + r, y + r)], colour, 2 * SCALE)
            self.draw.line([(x - r, y + r), (x + r, y - r)], colour, 2 * SCALE)
        else:
            self.draw.rectangle((x - SCALE, y - r, x + SCALE, y + r), colour)

    def png(self) -> bytes:
        content = io.BytesIO()
        self.image.reduce(SCALE).save(content, "PNG", optimize=True)
        return content.getvalue()


def _font(size: int, letters: str) -> Any:
    """Pillow's own, or where it has not all letters one of the system's, if there is such."""
    if not letters.isascii():
        for name in FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:  # not installed
                continue
    return ImageFont.load_default(size)


def _dashed(points: list[tuple[float, float]], dashes: tuple[int, ...]) -> list[list[tuple[float, float]]]:
    """A line through points as its dashes."""
    found: list[list[tuple[float, float]]] = []
    place, left, on = 0, float(dashes[0]), True
    for (x, y), (x1, y1) in pairwise(points):
        length = float(np.hypot(x1 - x, y1 - y))
        done = 0.0
        while done < length:
            step = min(left, length - done)
            ends = [(x + (x1 - x) * at / length, y + (y1 - y) * at / length) for at in (done, done + step)]
            if on:
                found.append(ends)
            done, left = done + step, left - step
            if left <= 1e-9:
                place, on = (place + 1) % len(dashes), not on
                left = float(dashes[place])
    return found


def _apart(wanted: list[float], least: float) -> list[float]:
    """Places as near to the wanted ones as can be, in their order, and `least` apart."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    found = list(wanted)
    for before, this in pairwise(order):
        found[this] = max(found[this], found[before] + least)
    return found
