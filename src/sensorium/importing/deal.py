"""Rows of a set that comes without splits, dealt out: eight tenths to train, one to valid, one to test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["deal", "deal_groups"]

SHARE = 0.1


def deal(labels: Sequence[Any], seed: int) -> dict[str, np.ndarray]:
    """Row numbers by split, each label in the same shares; one of 3 rows or more is in all of them.

    Args:
        labels: what a row is, (N,).
        seed: of the choice.
    """
    random = np.random.default_rng(seed)
    _, codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    dealt: dict[str, list[np.ndarray]] = {"train": [], "valid": [], "test": []}
    for code in range(codes.max() + 1):
        rows = random.permutation(np.flatnonzero(codes == code))
        each = max(round(SHARE * len(rows)), int(len(rows) > 2))
        dealt["test"].append(rows[:each])
        dealt["valid"].append(rows[each : 2 * each])
        dealt["train"].append(rows[2 * each :])
    joined = {split: np.sort(np.concatenate(rows)) for split, rows in dealt.items()}
    return {split: rows for split, rows in joined.items() if len(rows)}


def deal_groups(groups: Sequence[str], seed: int) -> dict[str, np.ndarray]:
    """Row numbers by split, all rows of a group in one.

    Args:
        groups: of each row, (N,); of 3 kinds at least.
        seed: of the choice.
    """
    groups = np.asarray(groups, dtype=str)
    dealt = deal(np.zeros(len(names := np.unique(groups))), seed)
    return {split: np.flatnonzero(np.isin(groups, names[chosen])) for split, chosen in dealt.items()}
