"""The tables of an example, written row by row with their files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["LETTERS", "SPLITS", "mistyped", "write_splits"]

SPLITS = ("train", "valid", "test")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")


def write_splits(
    folder: Path,
    rows: Sequence[int],
    make_row: Callable[[str, int], tuple[dict[str, Any], Mapping[str, tuple[str, bytes]]]],
    about: str,
) -> dict[str, Path]:
    """Write train.csv, valid.csv, test.csv, the files that their cells name, and README.md.

    Args:
        folder: made where it is not there.
        rows: of train, valid and test.
        make_row: split and row number to cells and files; of each file its column, ending and content. A column of both
            is the files'.
        about: what README.md says: a module's docstring.

    Returns:
        The paths of the tables and of README.md, by split and `readme`.
    """
    import pandas as pd

    from sensorium.data.table import write_atomically, write_table

    paths = {}
    for split, count in zip(SPLITS, rows, strict=True):
        cells = []
        for row in range(count):
            cell, files = make_row(split, row)
            for column, (ending, content) in files.items():
                cell[column] = f"{column}/{split}_{row:04d}.{ending}"
                write_atomically(folder / cell[column], content)
            cells.append(cell)
        paths[split] = folder / f"{split}.csv"
        write_table(pd.DataFrame(cells), paths[split])
    paths["readme"] = folder / "README.md"
    title, text = about.split("\n", 1)
    write_atomically(paths["readme"], f"# {title.rstrip(chr(46))}\n{text}".encode())
    return paths


def mistyped(text: str, share: float, random: np.random.Generator) -> str:
    """`text` with a `share` of its letters left out, doubled, or struck beside."""
    typed = []
    for letter in text:
        if letter.isalpha() and random.random() < share:
            letter = ("", letter * 2, str(random.choice(LETTERS)))[random.integers(3)]
        typed.append(letter)
    return "".join(typed)
