"""Clips as a line of frames, with what counts, the moments that count most, and what moves."""

import numpy as np

from sensorium.explain.drawing.heat import overlay
from sensorium.explain.drawing.image import strongest, to_side
from sensorium.explain.drawing.uri import picture_uri
from sensorium.explain.part import Part
from sensorium.media.flow import coarse_flow

__all__ = ["arrows", "draw_video", "time_line"]

SIDE = 112  # pixels of a frame's longer side
MOST = 16  # frames shown
TOP = 3  # moments marked
GRID = 6  # arrows along a side
STILL = 0.02  # of the picture: less motion gets no arrow


def draw_video(part: Part, say: dict[str, str]) -> str:
    """Each file's line of frames."""
    found = []
    scale = strongest(part.values)
    for place, (clip, values) in enumerate(zip(part.shown["clips"], part.values, strict=True), 1):
        if len(part.values) > 1:
            found.append(f'<p class="sxp-soft">{say["file"].format(place=place)}</p>')
        grey = clip.mean(1) * 255  # (F, H, W)
        motion, _ = coarse_flow(grey[:-1], grey[1:], GRID) if len(clip) > 1 else (np.zeros((0, 2, GRID, GRID)), None)
        motion = np.concatenate([motion, np.zeros((1, 2, GRID, GRID))])
        frames = []
        for at in shown_places(len(clip)):
            pixels = to_side(clip[at], SIDE)
            frames.append((at, overlay(pixels, values[at], scale), motion[at]))
        found.append(time_line(frames, values.sum((1, 2)), np.abs(values).sum((1, 2)), say["frame"]))
    return f'{"".join(found)}<p class="sxp-soft">{say["moves"]} {say["key"]}</p>'


def shown_places(count: int) -> list[int]:
    """Some places, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, min(count, MOST)).round().astype(int).tolist()))


def time_line(
    frames: list[tuple[int, np.ndarray, np.ndarray]], values: np.ndarray, sizes: np.ndarray, name: str
) -> str:
    """Frames in a row: (place, pixels, motion (2, grid, grid)) each, the moments that count most framed and starred."""
    places = [at for at, _, _ in frames]
    top = set(sorted(places, key=lambda at: -sizes[at])[:TOP])
    found = []
    for at, pixels, motion in frames:
        height, width = pixels.shape[:2]
        mark, called = ' class="top"' if at in top else "", name.format(place=at + 1)
        found.append(
            f'<figure{mark}><svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{called}"><image href="{picture_uri(pixels)}" width="{width}" height="{height}"/>'
            f"{arrows(motion, height, width)}</svg><figcaption>{called}<br>{values[at]:+.2g}</figcaption></figure>"
        )
    return f'<div class="sxp-line">{"".join(found)}</div>'


def arrows(motion: np.ndarray, height: int, width: int) -> str:
    """Motion (2, grid, grid), to the right and down as shares of the picture, as arrows of SVG."""
    grid = motion.shape[1]
    lines = []
    for row in range(grid):
        for column in range(grid):
            right, down = motion[:, row, column]
            if np.hypot(right, down) < STILL:
                continue
            x, y = (column + 0.5) / grid * width, (row + 0.5) / grid * height
            long = min(1.0, 0.12 / np.hypot(right, down)) if np.hypot(right, down) > 0.12 else 1.0
            a, b = x + right * width * long, y + down * height * long
            ux, uy = (a - x), (b - y)
            size = max(np.hypot(ux, uy), 1e-6)
            ux, uy = 3 * ux / size, 3 * uy / size
            lines.append(
                f"M{x:.1f} {y:.1f}L{a:.1f} {b:.1f}M{a - ux - uy:.1f} {b - uy + ux:.1f}L{a:.1f} {b:.1f}"
                f"L{a - ux + uy:.1f} {b - uy - ux:.1f}"
            )
    path = "".join(lines)
    return (
        f'<path d="{path}" fill="none" stroke="#000" stroke-width="2.6"/><path d="{path}" fill="none" stroke="#fff" '
        'stroke-width="1.2"/>'
        if path
        else ""
    )
