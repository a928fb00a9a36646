"""Clips by their motion: a line of steps with what moves and what counts, and the pictures with what counts."""

import numpy as np

from sensorium.explain.drawing.heat import overlay, resized
from sensorium.explain.drawing.image import strongest, to_side
from sensorium.explain.drawing.uri import picture_uri
from sensorium.explain.drawing.video import SIDE, time_line
from sensorium.explain.part import Part

__all__ = ["draw_motion"]

SPEED = 5.0  # arrows are that many frames long


def draw_motion(part: Part, say: dict[str, str]) -> str:
    """Each file's steps and pictures."""
    found = []
    for place, (clip, of) in enumerate(zip(part.shown["clips"], part.shown["of"], strict=True), 1):
        (field, _, pictures), (counts, of_sizes, of_pictures) = clip, of
        if len(part.values) > 1:
            found.append(f'<p class="sxp-soft">{say["file"].format(place=place)}</p>')
        maps = counts.sum(1)  # (steps, grid, grid)
        scale, steps = strongest(maps), []
        for at in range(len(field)):
            behind = _behind(pictures, at, len(field))
            steps.append((at, overlay(behind, maps[at], scale), SPEED * field[at, :2]))
        values = maps.sum((1, 2)) + of_sizes
        sizes = np.abs(maps).sum((1, 2)) + np.abs(of_sizes)
        found.append(time_line(steps, values, sizes, say["step"]))
        if len(pictures):
            scale = strongest(of_pictures)
            drawn = [overlay(to_side(p, SIDE), v.sum(0), scale) for p, v in zip(pictures, of_pictures, strict=True)]
            images = "".join(
                f'<img src="{picture_uri(d)}" width="{d.shape[1]}" height="{d.shape[0]}" alt="{say["counts"]}">'
                for d in drawn
            )
            found.append(f'<p class="sxp-soft">{say["pictures"]}</p><div class="sxp-row">{images}</div>')
    return f'{"".join(found)}<p class="sxp-soft">{say["moves"]} {say["key"]}</p>'


def _behind(pictures: np.ndarray, step: int, steps: int) -> np.ndarray:
    """The picture nearest in time, or grey."""
    if not len(pictures):
        return np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
    return resized(to_side(pictures[step * len(pictures) // steps], SIDE), (SIDE, SIDE))
