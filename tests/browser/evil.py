"""A table that tries to get scripts into a page, and a run learned from it."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import sensorium as sm

EVIL = "<b>x</b><script>window.evil = 1</script>"
NETWORK_ONLY = {
    "training": {"epochs": 1, "batch_size": 8, "precision": "32", "wide": False},
    "balance": {"method": "none"},
}


def write_evil(folder: Path, rows: int = 24) -> Path:
    """A table whose names, classes and cells hold what a browser would run; the text tells the class."""
    random = np.random.default_rng(0)
    cells = []
    for row in range(rows):
        yes, photo = row % 2 == 0, f"p{row}.png"
        Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / photo)
        words = "a fine bright day it was" if yes else "a dark and gloomy night"
        cells.append(
            {
                f"photo {EVIL}": photo if row % 5 else "",
                "note": f"{EVIL} {words} <img src=x onerror=evil()> {row}",
                "age": f"{random.normal(50, 9):.1f}",
                f"label {EVIL}": f"{EVIL} & yes" if yes else '" onmouseover="evil()',
            }
        )
    (folder / "p1.png").write_bytes(b"no picture")
    pd.DataFrame(cells).to_csv(folder / "evil.csv", index=False)
    return folder / "evil.csv"


def fit_evil(table: Path, folder: Path) -> Path:
    """A run learned from such a table, with every comparison."""
    config = {**NETWORK_ONLY, "inputs": {
        "photo": {"column": f"photo {EVIL}", "modality": "image", "size": 16, "encoder": {"type": "cnn", "channels": [4, 8]}},
        "note": {"modality": "text"},
        "columns": {"columns": ["age"]},
    }, "fusion": {"type": "gated", "width": 16}}  # fmt: skip
    sm.fit(table, f"label {EVIL}", config=config, out=folder)
    return folder
