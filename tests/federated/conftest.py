"""A table of three sites, whose photo and numbers tell the label together."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

CONFIG = {
    "inputs": {
        "photo": {"modality": "image", "size": 8, "encoder": {"type": "cnn", "channels": [4, 8]}},
        "columns": {"columns": ["x", "shop"]},
    },
    "fusion": {"type": "concat", "width": 16},
    "training": {"batch_size": 8, "learning_rate": 5e-3, "augment": False, "modality_dropout": 0.0, "workers": 0},
}


@pytest.fixture(scope="session")
def member_config() -> dict:
    return CONFIG


@pytest.fixture(scope="session")
def members(tmp_path_factory) -> Path:
    """table.csv of 120 rows with a column site: north, south, west."""
    folder, random, rows = tmp_path_factory.mktemp("members"), np.random.default_rng(1), []
    for row in range(120):
        bright, large = row % 2, row // 2 % 2
        level = int(random.integers(150, 250) if bright else random.integers(5, 105))
        Image.fromarray(np.full((10, 10, 3), level, dtype=np.uint8)).save(folder / f"p{row}.png")
        rows.append(
            {
                "photo": f"p{row}.png",
                "x": f"{random.normal(3.0 if large else -3.0):.4f}",
                "shop": ("a", "b", "c")[row % 3],
                "label": "yes" if bright or large else "no",
                "site": ("north", "south", "west")[row % 3 if row < 90 else 0],
            }
        )
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"
