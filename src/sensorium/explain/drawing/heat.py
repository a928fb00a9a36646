"""Values over a picture: blue where they speak for the answer, orange and striped where against, grey where they say nothing."""

import numpy as np
from PIL import Image

from sensorium.explain.drawing.style import MINUS, PLUS

__all__ = ["overlay", "resized"]

STRIPE = 6  # pixels from one stripe to the next
FINEST = 56  # values along the longer side: single pixels of a gradient are noise to the eye


def resized(pixels: np.ndarray, size: tuple[int, int], smooth: bool = True) -> np.ndarray:
    """Pixels (H, W[, 3]), uint8 or float, as many as `size` (height, width)."""
    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), how))


def overlay(pixels: np.ndarray, values: np.ndarray, scale: float) -> np.ndarray:
    """A picture with values over it.

    Args:
        pixels: (H, W, 3) uint8.
        values: (h, w), of the same picture in any size.
        scale: the value that is drawn strongest; see `strongest`.
    """
    size = pixels.shape[:2]
    times = min(1.0, FINEST / max(values.shape))
    few = Image.fromarray(values.astype(np.float32)).resize(
        (max(1, round(values.shape[1] * times)), max(1, round(values.shape[0] * times))), Image.Resampling.BOX
    )
    spread = np.asarray(few.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    strength = (np.abs(spread) / max(scale, 1e-12)).clip(0, 1)[..., None] ** 0.6
    grey = pixels.mean(2, keepdims=True) * 0.55 + 40
    colour = np.where(spread[..., None] > 0, PLUS, MINUS)
    down, across = np.indices(size)
    stripes = ((down + across) % STRIPE < STRIPE // 2)[..., None] & (spread < 0)[..., None]
    strength = np.where(stripes, strength * 0.35, strength)
    return (grey * (1 - strength) + (0.35 * grey + 0.65 * colour) * strength).clip(0, 255).astype(np.uint8)
