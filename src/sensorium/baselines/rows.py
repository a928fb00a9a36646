"""Which training rows classical models learn from."""

import numpy as np

from sensorium.data.batches import Rows
from sensorium.data.targets import TargetCoder

__all__ = ["MOST_ROWS", "known_rows"]

MOST_ROWS = 4000  # more change little and cost much


def known_rows(rows: Rows, coder: TargetCoder, most: int = MOST_ROWS) -> np.ndarray:
    """Places of at most `most` rows that have the target, drawn evenly; with one of each class at least."""
    values, mask = rows.targets[coder.name]
    known = np.flatnonzero(mask)
    if len(known) <= most:
        return known
    drawn = np.random.default_rng(0).choice(known, most, replace=False)
    if coder.task in {"binary", "classification"}:  # a rare class may escape the draw, and no model fits one alone
        drawn = np.union1d(drawn, known[np.unique(values[known], return_index=True)[1]])
    return np.sort(drawn)
