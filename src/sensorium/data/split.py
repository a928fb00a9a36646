"""Which rows to learn from and which to check with."""

import numpy as np
from sklearn.model_selection import train_test_split

from sensorium.data.targets import TargetCoder
from sensorium.errors import DataError

__all__ = ["split_rows"]


def split_rows(codes: np.ndarray, coder: TargetCoder, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into train and valid, every class in both where it is a classification.

    A class of few rows would, rounded, be missing from one side: each gives at least one row to either.

    Args:
        codes: encoded target, (N,) or (N, labels).
        coder: what `codes` mean.
        share: of the rows, to validate with; above 0, below 1.

    Returns:
        Two sorted arrays of positions.

    Raises:
        DataError: fewer than 2 rows.
    """
    if len(codes) < 2:
        raise DataError(
            f"target '{coder.name}' has a value in {len(codes)} row; 2 at least are needed, to learn and to check."
        )
    everything = np.arange(len(codes))
    if coder.task not in {"binary", "classification"}:
        train, valid = train_test_split(everything, test_size=share, random_state=seed)
        return np.sort(train), np.sort(valid)
    random = np.random.default_rng(seed)
    valid = [
        random.permutation(rows)[: int(np.clip(round(share * len(rows)), 1, len(rows) - 1))]
        for value in np.unique(codes)
        if len(rows := everything[codes == value]) > 1
    ]
    chosen = np.zeros(len(codes), dtype=bool)
    chosen[np.concatenate(valid)] = True
    return everything[~chosen], everything[chosen]
