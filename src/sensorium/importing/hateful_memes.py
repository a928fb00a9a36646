"""Hateful Memes: pictures in img/, and train.jsonl, dev.jsonl and test.jsonl with what is written on them."""

from pathlib import Path

import pandas as pd

from sensorium.data.table import read_table
from sensorium.errors import DataError
from sensorium.importing.found import Found, not_found

__all__ = ["read_hateful_memes"]

# The first that is there; of the second phase of the challenge, "unseen" rows are tables of their own.
SPLITS = {
    "train": ("train",),
    "valid": ("dev", "dev_seen"),
    "test": ("test", "test_seen"),
    "dev_unseen": ("dev_unseen",),
    "test_unseen": ("test_unseen",),
}


def read_hateful_memes(folder: Path, seed: int) -> Found:
    """The picture of a meme, its text, and whether it is hateful (1) or not (0); test rows may come without.

    Reference: Kiela et al. 2020, The Hateful Memes Challenge (arXiv:2005.04790), and the README of its files.
    """
    found = Found({}, ("label",))
    for split, names in SPLITS.items():
        path = next((folder / f"{name}.jsonl" for name in names if (folder / f"{name}.jsonl").is_file()), None)
        if path is None:
            continue
        table = read_table(path)
        for column in ("img", "text"):
            if column not in table.columns:
                raise DataError(f"{path} has no column '{column}'; looked for img, text, label.")
        labels = table.cells("label") if "label" in table.columns else [None] * len(table)
        found.tables[split] = pd.DataFrame(
            {
                "img": [folder / str(cell) for cell in table.cells("img")],
                "text": list(table.cells("text")),
                "label": pd.array(labels, dtype="Int64"),
            }
        )
        if pd.isna(pd.Series(labels, dtype=object)).all():
            found.notes.append(f"{split}: {path.name} has no labels.")
    if not found.tables:
        raise not_found(folder, "hateful-memes", ["train.jsonl", "dev.jsonl", "test.jsonl", "img/"])
    return found
