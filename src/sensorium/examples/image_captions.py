"""Image recognition with captions: photographs of house numbers, and what somebody wrote under them.

The number is a digit, 0 to 9. Neither input has it always:

| input   | what it is                                                         | right alone, at best  |
|---------|--------------------------------------------------------------------|-----------------------|
| photo   | a handwritten digit (scikit-learn's) on a wall, in 4 of 10 covered | 0.6 + 0.4 / 10 = 0.64 |
| caption | two of three facts, mistyped: odd or even; below five; with a loop | 0.40                  |
| both    |                                                                    | 0.6 + 0.4 * 0.4 = 0.76|

What is seen of a digit decides where it is seen, and the caption where it is covered. Photographs of train, valid and test
show different digits. The column `covered` is for `sensorium evaluate --by covered`; it is no input.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sensorium.examples.demo import digits
from sensorium.examples.splits import SPLITS, mistyped, write_splits

__all__ = ["make_image_captions"]

COVERED = 0.4
TYPOS = 0.05  # of the letters
LOOPS = (0, 6, 8, 9)
FRAMES = ("The number by the door {}.", "Seen from the street: the number {}.", "Here it {}, says the owner.")
FACTS = {  # of a digit: the words where it is so, and where it is not
    "odd": (("is odd", "can't be halved"), ("is even", "can be halved")),
    "small": (("is below five", "is one of the small ones"), ("is five or more", "is one of the large ones")),
    "loop": (("has a loop", "has a hole in it"), ("has no loop", "is without a hole")),
}


def make_image_captions(folder: Path, rows: Sequence[int] = (400, 100, 300), seed: int = 0) -> dict[str, Path]:
    """Write the tables, their pictures and README.md into `folder`.

    Args:
        folder: made where it is not there.
        rows: of train, valid and test.
        seed: of everything.
    """
    random = np.random.default_rng(seed)
    drawn = digits(SPLITS, rows, 10)

    def make_row(split: str, row: int):
        number, covered = row % 10, random.random() < COVERED
        digit = drawn[split][number][random.integers(len(drawn[split][number]))]
        cells = {
            "photo": "",
            "caption": caption(number, random),
            "covered": "yes" if covered else "no",
            "number": f"number {number}",
        }
        return cells, {"photo": ("png", photo(digit, covered, random))}

    return write_splits(folder, rows, make_row, __doc__)


def caption(number: int, random: np.random.Generator) -> str:
    """Two facts of a number, in words with typos."""
    true = {"odd": number % 2 == 1, "small": number < 5, "loop": number in LOOPS}
    told = [FACTS[fact][0 if true[fact] else 1][random.integers(2)] for fact in random.permutation(list(true))[:2]]
    return mistyped(FRAMES[random.integers(len(FRAMES))].format(" and ".join(told)), TYPOS, random)


def photo(digit: np.ndarray, covered: bool, random: np.random.Generator, side: int = 40) -> bytes:
    """A digit of 8 x 8 on a plate on a wall, as a PNG; a leaf is before it where it is covered."""
    from PIL import Image, ImageDraw

    wall, plate, ink = random.uniform(80, 170, 3), random.uniform(190, 250, 3), random.uniform(0, 80, 3)
    light = np.linspace(*random.uniform(0.75, 1.1, 2), side)[None, :, None]  # from left to right
    pixels = np.tile(wall, (side, side, 1))
    size = int(random.integers(26, 32))
    left, top = random.integers(2, side - size - 1, 2)
    shade = np.asarray(
        Image.fromarray((digit / 16 * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    )
    shade = shade[:, :, None] / 255  # (size, size, 1)
    pixels[top : top + size, left : left + size] = plate * (1 - shade) + ink * shade
    image = Image.fromarray((pixels * light).clip(0, 255).astype(np.uint8))
    if covered:
        leaf = tuple(int(c) for c in random.uniform((20, 90, 10), (80, 150, 60)))
        ImageDraw.Draw(image).ellipse([left - 7, top - 7, left + size + 7, top + size + 7], fill=leaf)
    noisy = np.asarray(image) + random.normal(0, 14, (side, side, 3))
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "png")
    return file.getvalue()
