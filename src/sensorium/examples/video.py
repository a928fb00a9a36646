"""Video analysis with sound: what moves where, and what is heard.

A clip shows a square or a disc that crosses the picture to the left or to the right, while a bell strikes or a horn blows.
What happens has a name of all three, so there are eight; one clip in ten has no sound track.

| input    | what it is                        | tells                                | right alone, at best      |
|----------|-----------------------------------|--------------------------------------|---------------------------|
| pictures | the pictures of the clip (H.264)  | square or disc, left or right        | 1/2                       |
| motion   | the motion vectors in its stream  | left or right, something of the shape| 1/2 (1/4 by where it goes)|
| sound    | its sound track (AAC), in 9 of 10 | bell or horn                         | 0.9 / 4 + 0.1 / 8 = 0.24  |
| all      |                                   |                                      | 0.9 + 0.1 / 2 = 0.95      |

The column `track` is for `sensorium evaluate --by track`; it is no input.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sensorium.examples.clips import SAMPLE_RATE, encoded
from sensorium.examples.splits import write_splits

__all__ = ["make_video"]

SILENT = 0.1
PICTURES, RATE, SIDE = 12, 10, 64  # of a clip; a second; pixels


def make_video(folder: Path, rows: Sequence[int] = (400, 104, 240), seed: int = 0) -> dict[str, Path]:
    """Write the tables, their clips and README.md into `folder`.

    Args:
        folder: made where it is not there.
        rows: of train, valid and test.
        seed: of everything.
    """
    random = np.random.default_rng(seed)

    def make_row(split: str, row: int):
        disc, right, bell = bool(row & 4), bool(row & 2), bool(row & 1)
        pictures = moving(disc, right, random)
        wave = heard(bell, random)
        silent = random.random() < SILENT
        event = f"{'disc' if disc else 'square'} {'right' if right else 'left'} {'bell' if bell else 'horn'}"
        cells = {"clip": "", "track": "silent" if silent else "sound", "event": event}
        return cells, {"clip": ("mp4", encoded(pictures, None if silent else wave, RATE))}

    return write_splits(folder, rows, make_row, __doc__)


def moving(disc: bool, right: bool, random: np.random.Generator) -> list[np.ndarray]:
    """The pictures of a square or a disc that crosses a noisy ground."""
    radius = random.uniform(9, 13)
    middle = random.uniform(radius + 1, SIDE - radius - 1)
    colour, ground = random.uniform(130, 255, 3), random.uniform(0, 90, 3)
    down, across = np.mgrid[:SIDE, :SIDE]  # (SIDE, SIDE) each
    pictures = []
    for index in range(PICTURES):
        share = index / (PICTURES - 1)
        centre = radius + (share if right else 1 - share) * (SIDE - 2 * radius)
        if disc:
            inside = np.hypot(down - middle, across - centre) < radius
        else:  # of the disc's area
            inside = np.maximum(abs(down - middle), abs(across - centre)) < radius * math.sqrt(math.pi) / 2
        picture = np.where(inside[:, :, None], colour, ground)  # (SIDE, SIDE, 3)
        pictures.append(picture + random.normal(0, 6, picture.shape))
    return pictures


def heard(bell: bool, random: np.random.Generator) -> np.ndarray:
    """A bell that strikes twice, or a horn that blows, as long as the clip."""
    time = np.arange(SAMPLE_RATE * PICTURES // RATE) / SAMPLE_RATE  # s
    if bell:
        pitch, strikes = random.uniform(700, 1400), random.uniform((0, 0.5), (0.3, 0.8))
        wave = np.zeros_like(time)
        for strike in strikes:
            since = np.maximum(time - strike, 0)
            partials = sum(np.sin(2 * math.pi * pitch * part * since) / part for part in (1.0, 2.76, 5.4))
            wave += np.where(time >= strike, np.exp(-6 * since) * partials, 0)
    else:
        pitch = random.uniform(150, 400)
        wave = sum(np.sin(2 * math.pi * pitch * part * time) / part for part in (1, 2, 3, 4))
    return 0.3 * wave * random.uniform(0.3, 1) + random.normal(0, 0.02, len(time))
