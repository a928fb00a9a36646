"""Coarse motion between two small pictures, where a file's own motion vectors can't be had."""

import numpy as np

__all__ = ["coarse_flow"]

LEAST_SIDE = 12  # pixels of the coarsest picture
ROUNDS = 5  # corrections at each size


def coarse_flow(before: np.ndarray, after: np.ndarray, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """How far what is around each point of a grid moves from one picture to the next, and where that can be told.

    Reference:
        Lucas and Kanade, 1981; from coarse to fine as in Bouguet, 2001. Differs: one window a cell, which fades out
        over its neighbours.

    Args:
        before, after: grey pictures, 0..255.
        grid: cells along each side.

    Shape:
        before, after: (N, H, W) float. Returns (N, 2, grid, grid), to the right and down as shares of the width and
        height; and (N, grid, grid) bool, False where the picture is too flat for an answer (the motion is 0 there).

    Example:
        >>> wave = 60 * np.sin(np.arange(32) / 2)
        >>> wave = wave + wave[:, None]
        >>> motion, known = coarse_flow(wave[None, :, :-1], wave[None, :, 1:], grid=2)
        >>> bool(known.all()), (motion[0, 0] * 31).round().tolist()
        (True, [[-1.0, -1.0], [-1.0, -1.0]])
    """
    levels = [(before.astype(np.float32), after.astype(np.float32))]
    while min(levels[-1][0].shape[1:]) >= 2 * LEAST_SIDE:
        levels.append(tuple(_half(picture) for picture in levels[-1]))
    flow = np.zeros((len(before), 2, grid, grid), dtype=np.float32)
    known = np.zeros((len(before), grid, grid), dtype=bool)
    for first, second in reversed(levels):
        height, width = first.shape[1:]
        down, right = _tents(height, grid), _tents(width, grid)  # (grid, H), (grid, W)

        def windows(x: np.ndarray, down=down, right=right) -> np.ndarray:
            return down @ x @ right.T  # (N, grid, grid), sums

        iy, ix = np.gradient(first, axis=(1, 2))
        flat = 4.0 * (down.sum(1)[:, None] * right.sum(1))  # a slope of 2 in 255 a pixel, over the window
        for _ in range(ROUNDS):
            u, v = (down.T @ flow[:, i] @ right for i in (0, 1))  # (N, H, W), linear between the cells' middles
            moved, inside = _moved(second, u * width, v * height)
            x, y, change = ix * inside, iy * inside, (moved - first) * inside
            xx, xy, yy, xt, yt = map(windows, (x * x, x * y, y * y, x * change, y * change))  # (N, grid, grid)
            known = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy) > flat  # the smaller eigenvalue: no edge alone
            determinant = np.where(known, xx * yy - xy * xy, 1.0)
            # A step is as long as the linear picture of things holds: about a pixel.
            across = ((xy * yt - yy * xt) / determinant).clip(-1, 1) / width
            along = ((xy * xt - xx * yt) / determinant).clip(-1, 1) / height
            flow += np.where(known[:, None], np.stack([across, along], 1), 0)
    return np.where(known[:, None], flow, 0), known


def _half(x: np.ndarray) -> np.ndarray:
    """(N, H, W) at half the size; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in x.shape[1:])
    return x[:, :height, :width].reshape(len(x), height // 2, 2, width // 2, 2).mean((2, 4))


def _tents(length: int, grid: int) -> np.ndarray:
    """(grid, length): how much each cell has to say at each pixel; 1 at its middle, 0 at its neighbours', sum 1."""
    place = ((np.arange(length) + 0.5) * grid / length - 0.5).clip(0, grid - 1)
    return np.maximum(0, 1 - np.abs(place - np.arange(grid)[:, None])).astype(np.float32)


def _moved(x: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x (N, H, W) read at each pixel's place plus (u, v) pixels, linearly between pixels; and where that is in x."""
    rows, height, width = x.shape
    across, along = np.arange(width) + u, np.arange(height)[:, None] + v
    inside = (across >= 0) & (across <= width - 1) & (along >= 0) & (along <= height - 1)
    left = across.astype(int).clip(0, width - 2)
    top = along.astype(int).clip(0, height - 2)
    a, b = (across - left).clip(0, 1), (along - top).clip(0, 1)
    n = np.arange(rows)[:, None, None]
    upper = (1 - a) * x[n, top, left] + a * x[n, top, left + 1]
    lower = (1 - a) * x[n, top + 1, left] + a * x[n, top + 1, left + 1]
    return (1 - b) * upper + b * lower, inside
