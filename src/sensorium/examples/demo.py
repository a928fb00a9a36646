"""The demo: a small table of real media files with every modality.

A parcel goes to one of eight counters, 0 to 7. Think of the counter as three bits (4, 2, 1). No input has them all:

| input     | what it is                                             | tells                         | alone, at best |
|-----------|--------------------------------------------------------|-------------------------------|----------------|
| picture   | a handwritten digit (scikit-learn's), noisy            | 4 and 2: the 1 is drawn blind | 1/2            |
| recording | a spoken colour (eSpeak NG)                            | 2 and 1                       | 1/2            |
| clip      | a moving square (H.264) with a high or low tone (AAC)  | 1 by its motion, 4 by its tone| 1/2 (1/4)      |
| note      | a sentence                                             | 4, right in 9 of 10           | 0.9 / 4        |
| columns   | weight, shop, gift, sent                               | 2, or 1, or 4; each unsure    |                |
| vector    | eight numbers                                          | 4 and 1, in noise             | 1/2            |

Pictures, voices and sentences of train, valid and test are different ones. Some cells are empty, some files broken.
The same seed makes the same table and the same files, but for the speech, which eSpeak NG varies by a few samples.
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.examples.clips import SAMPLE_RATE, encoded

__all__ = ["make_demo"]

MISSING = 0.08
COLOURS = ("red", "yellow", "purple", "black")
VOICES = {
    "train": ("en-us", "en-gb-scotland", "en-us+m3", "en-us+f1", "en-gb-x-rp", "en-us+m5", "en-029", "en-us+f5"),
    "valid": ("en-us+f2", "en-gb-x-gbclan"),
    "test": ("en-us+m4", "en-us+f4", "en-us+m1"),
}
PEOPLE = {
    "train": ("Ada", "Ben", "Chen", "Dora", "Emil", "Fatma"),
    "valid": ("Gita", "Hugo"),
    "test": ("Ines", "Jun", "Kofi"),
}
TIMES = ({True: "early in the morning", False: "late at night"}, {True: "before breakfast", False: "after dinner"})
BROKEN = {  # what is done to the first files of a split, by column
    "picture": ("cut in half",),
    "recording": ("emptied",),
    "clip": ("cut in half", "replaced by text"),
}


def make_demo(folder: Path, rows: Sequence[int] = (480, 120, 160), seed: int = 0) -> dict[str, Path]:
    """Write train.csv, valid.csv, test.csv, their media and README.md into `folder`.

    Args:
        folder: made where it is not there.
        rows: of train, valid and test.
        seed: of everything.

    Raises:
        ConfigError: eSpeak NG is not installed.
    """
    import pandas as pd

    from sensorium.data.table import write_atomically, write_table

    random = np.random.default_rng(seed)
    drawn = digits(("train", "valid", "test"), rows)
    paths, broken = {}, []
    for split, count in zip(("train", "valid", "test"), rows, strict=True):
        cells = []
        for row in range(count):
            counter = row % 8
            files = media(counter, split, drawn[split], random)
            cell: dict[str, Any] = {"parcel": f"{split[:2].upper()}{row:04d}"}
            for column, (ending, content) in files.items():
                cell[column] = f"{column}s/{split}_{row:04d}.{ending}"
                if column in BROKEN and row < len(BROKEN[column]):
                    content = damaged(content, BROKEN[column][row])
                    broken.append(f"- {split}.csv row {row + 1}, {cell[column]}: {BROKEN[column][row]}")
                elif random.random() < MISSING:
                    cell[column] = ""
                    continue
                write_atomically(folder / cell[column], content)
            cells.append({**cell, **values(counter, split, random), "counter": f"counter {counter}"})
        paths[split] = folder / f"{split}.csv"
        write_table(pd.DataFrame(cells), paths[split])
    paths["readme"] = folder / "README.md"
    text = f"# The demo's table\n\n{__doc__.split(chr(10), 2)[2]}\nBroken on purpose:\n\n" + "\n".join(broken) + "\n"
    write_atomically(paths["readme"], text.encode())
    return paths


def bits(counter: int) -> tuple[bool, bool, bool]:
    """The counter's 4, 2 and 1."""
    return bool(counter & 4), bool(counter & 2), bool(counter & 1)


def digits(splits: Sequence[str], rows: Sequence[int], count: int = 8) -> dict[str, dict[int, np.ndarray]]:
    """scikit-learn's handwritten digits 0 to `count` - 1, dealt out to the splits so that none is in two: (N, 8, 8), 0..16."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    ends = np.cumsum(rows) / sum(rows)
    dealt: dict[str, dict[int, np.ndarray]] = {split: {} for split in splits}
    for digit in range(count):
        mine = pictures[labels == digit].reshape(-1, 8, 8)
        parts = np.split(mine, [int(end * len(mine)) for end in ends[:-1]])
        for split, part in zip(splits, parts, strict=True):
            dealt[split][digit] = part
    return dealt


def media(
    counter: int, split: str, drawn: dict[int, np.ndarray], random: np.random.Generator
) -> dict[str, tuple[str, bytes]]:
    """The three files of a row: column -> ending and content."""
    four, two, one = bits(counter)
    shown = int(4 * four + 2 * two + random.integers(2))
    return {
        "picture": ("png", picture(drawn[shown][random.integers(len(drawn[shown]))], random)),
        "recording": ("wav", word_spoken(COLOURS[2 * two + one], random.choice(VOICES[split]), random)),
        "clip": ("mp4", clip(one, 880.0 if four else 330.0, random)),
    }


def picture(digit: np.ndarray, random: np.random.Generator) -> bytes:
    """A digit of 8 x 8 as a PNG of 32 x 32 in some ink on some paper, with noise."""
    from PIL import Image

    ink, paper = random.uniform(0, 90, 3), random.uniform(165, 255, 3)
    shade = np.asarray(Image.fromarray((digit / 16 * 255).astype(np.uint8)).resize((32, 32), Image.Resampling.BICUBIC))
    shade = shade[:, :, None] / 255  # (32, 32, 1)
    pixels = paper * (1 - shade) + ink * shade + random.normal(0, 18, (32, 32, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "png")
    return file.getvalue()


def word_spoken(word: str, voice: str, random: np.random.Generator) -> bytes:
    """A spoken word as a WAV, with noise."""
    from sensorium.examples.speech import recording, speak

    return recording(speak(word, str(voice), int(random.integers(140, 200)), int(random.integers(30, 70))), random)


def clip(right: bool, tone: float, random: np.random.Generator, count: int = 12, side: int = 64) -> bytes:
    """A square that crosses the picture in 1.2 s, to the right or to the left, while a tone (Hz) sounds: H.264, AAC."""
    size, top = int(random.integers(14, 22)), int(random.integers(4, 40))
    colour, ground = random.integers(120, 255, 3), random.integers(0, 90, 3)
    pictures = []
    for index in range(count):
        share = index / (count - 1)
        left = int((share if right else 1 - share) * (side - size))
        pixels = np.tile(ground, (side, side, 1)) + random.normal(0, 6, (side, side, 3))
        pixels[top : top + size, left : left + size] = colour
        pictures.append(pixels)
    time = np.arange(SAMPLE_RATE * count // 10) / SAMPLE_RATE
    wave = 0.4 * np.sin(2 * math.pi * tone * random.uniform(0.9, 1.1) * time) + random.normal(0, 0.02, len(time))
    return encoded(pictures, wave)


def values(counter: int, split: str, random: np.random.Generator) -> dict[str, Any]:
    """The cells of a row that are no files."""
    four, two, one = bits(counter)

    def mostly(bit: bool, share: float) -> bool:
        return bit if random.random() < share else not bit

    when = TIMES[random.integers(2)][mostly(four, 0.9)]
    vector = np.concatenate([np.full(4, float(four)), np.full(4, float(one))]) + random.normal(0, 0.8, 8)
    month = int(random.integers(1, 7)) + 6 * mostly(four, 0.8)
    return {
        "note": f"{random.choice(PEOPLE[split])} brought this parcel to us {when} and asked for a receipt.",
        "weight": "" if random.random() < MISSING else f"{random.normal(3.0 if two else 2.0, 0.6):.2f}",
        "shop": random.choice(("north", "harbour")) if mostly(one, 0.75) else random.choice(("south", "station")),
        "gift": "yes" if mostly(two, 0.75) else "no",
        "sent": f"2025-{month:02d}-{random.integers(1, 29):02d}",
        "vector": "[" + ", ".join(f"{number:.3f}" for number in vector) + "]",
    }


def damaged(content: bytes, how: str) -> bytes:
    """A file as it comes out of a bad copy."""
    return {"cut in half": content[: len(content) // 2], "emptied": b"", "replaced by text": b"not a clip\n"}[how]
