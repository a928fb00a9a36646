"""Pictures, and what counts in them."""

import numpy as np

from sensorium.explain.drawing.heat import overlay, resized
from sensorium.explain.drawing.uri import picture_uri
from sensorium.explain.part import Part

__all__ = ["draw_image", "strongest"]

SIDE = 224  # pixels of the longer side


def draw_image(part: Part, say: dict[str, str]) -> str:
    """Each file's picture, and beside it what counts."""
    found = []
    scale = strongest(part.values)
    for place, (picture, values) in enumerate(zip(part.shown["pictures"], part.values, strict=True), 1):
        pixels = to_side(picture, SIDE)
        name = "" if len(part.values) == 1 else say["file"].format(place=place) + ": "
        for shown, what in ((pixels, say["given"]), (overlay(pixels, values, scale), say["counts"])):
            height, width = shown.shape[:2]
            found.append(f'<img src="{picture_uri(shown)}" width="{width}" height="{height}" alt="{name}{what}">')
    return f'<div class="sxp-row">{"".join(found)}</div><p class="sxp-soft">{say["key"]}</p>'


def strongest(values: np.ndarray) -> float:
    """The value to be drawn strongest: few are larger."""
    return float(np.quantile(np.abs(values), 0.995)) if values.size else 0.0


def to_side(picture: np.ndarray, side: int) -> np.ndarray:
    """(3, H, W) from 0 to 1 as (h, w, 3) uint8 with a longer side of so many pixels."""
    pixels = (picture.transpose(1, 2, 0) * 255).clip(0, 255).astype(np.uint8)
    height, width = pixels.shape[:2]
    times = side / max(height, width)
    return resized(pixels, (max(1, round(height * times)), max(1, round(width * times))))
