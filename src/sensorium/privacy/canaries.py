"""Planted secrets: how well a run remembers a text that it saw a few times."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sensorium.data.cells import is_missing
from sensorium.data.table import Table, read_table
from sensorium.errors import ConfigError, DataError, did_you_mean
from sensorium.privacy.losses import row_losses

if TYPE_CHECKING:
    from sensorium.predictor import Predictor

__all__ = ["Canaries", "exposure", "plant"]

RESAMPLES = 1000


@dataclass(frozen=True)
class Canaries:
    """Secrets that were planted into a text column.

    Args:
        column: of the texts.
        target: the column that says something of each.
        form: of a text, with {} where the secret stands.
        digits: of a secret.
        secrets: as they were planted.
        values: what the target says of each.
    """

    column: str
    target: str
    form: str
    digits: int
    secrets: tuple[str, ...]
    values: tuple[Any, ...]


def plant(
    rows: Any,
    column: str,
    target: str,
    count: int = 10,
    repeats: int = 4,
    form: str = "the secret number is {}",
    digits: int = 6,
    seed: int = 0,
) -> tuple[Table, Canaries]:
    """A table with rows that hold made-up secrets, to be fitted in its place; never publish such a run.

    Reference:
        Carlini et al. 2019, The Secret Sharer: Evaluating and Testing Unintended Memorization in Neural Networks.

    Args:
        rows: the table to learn from.
        column: of texts; the other inputs are missing from the new rows.
        target: each secret gets a value of it that some row has, by chance.
        count: secrets.
        repeats: rows of each; where validation rows are taken from the table, some of them are not learned from.
        form: of the text, with {} where the secret stands.
        digits: random ones of a secret.
        seed: of secrets and values.

    Raises:
        ConfigError: no {} in `form`, too few digits for so many secrets, or a count below 1.
        DataError: no such column, or no value of the target.
    """
    table = read_table(rows)
    for name in (column, target):
        if name not in table.columns:
            raise DataError(f"{table.name} has no column '{name}' for canaries. {did_you_mean(name, table.columns)}")
    if form.count("{}") != 1:
        raise ConfigError(f"form must hold {{}} once, where the secret stands; got '{form}'.")
    if min(count, repeats) < 1 or count > 10**digits // 2:
        raise ConfigError(
            f"count and repeats must be 1 or more, and count at most half of all secrets; got {count}, {repeats} and "
            f"{digits} digits."
        )
    random = np.random.default_rng(seed)
    known = [cell for cell in table.cells(target) if not is_missing(cell)]
    if not known:
        raise DataError(f"{table.name} has no value of '{target}' that canaries could take.")
    secrets = tuple(f"{number:0{digits}d}" for number in random.choice(10**digits, count, replace=False))
    values = tuple(known[place] for place in random.integers(0, len(known), count))
    planted = [(form.format(s), v) for s, v in zip(secrets, values, strict=True) for _ in range(repeats)]
    cells: dict[str, Any] = {}
    for name in table.columns:
        new = [text if name == column else value if name == target else None for text, value in planted]
        cells[name] = pd.Series([*table.cells(name), *new], dtype=object)
    canaries = Canaries(column, target, form, digits, secrets, values)
    return Table(pd.DataFrame(cells), table.root, f"{table.name} with canaries"), canaries


def exposure(
    predictor: "Predictor",
    canaries: Canaries,
    candidates: int = 1000,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """How far ahead of other secrets the planted ones are: log2(candidates) - log2(rank by loss).

    log2(candidates) where the run tells the planted one from all others, about 1.44 on average where it knows nothing.

    Args:
        predictor: learned from the table that `plant` gave.
        canaries: of it.
        candidates: secrets that are ranked, the planted one among them.
        seed: of the others and of the bootstrap.
        say: called with warnings.

    Returns:
        {"exposure": {"value": the mean, "low", "high": 95 % over canaries}, "canaries": each one's exposure, "chance",
        "most", "candidates"}. Of equal losses each has their mean rank.

    Raises:
        ConfigError: fewer than 2 candidates, more than there are secrets, or a run that lacks the column or target.
    """
    if not 2 <= candidates <= 10**canaries.digits:
        raise ConfigError(f"candidates must be from 2 to all {10**canaries.digits} secrets; got {candidates}.")
    read = [column for reader in predictor.readers.values() for column in reader.columns]
    if canaries.column not in read or canaries.target not in predictor.coders:
        raise ConfigError(f"the run does not learn '{canaries.target}' from '{canaries.column}', where canaries are.")
    random = np.random.default_rng(seed)
    found = []
    for secret, value in zip(canaries.secrets, canaries.values, strict=True):
        drawn = random.choice(10**canaries.digits, candidates, replace=False)
        others = [text for number in drawn if (text := f"{number:0{canaries.digits}d}") != secret][: candidates - 1]
        cells = {column: [None] * candidates for column in {*read, *predictor.coders}}
        cells[canaries.column] = [canaries.form.format(one) for one in (secret, *others)]
        cells[canaries.target] = [value] * candidates
        rows = read_table(pd.DataFrame(cells, dtype=object))
        losses, _ = row_losses(predictor, rows, say)[canaries.target]
        found.append(math.log2(candidates) - math.log2(rank(losses)))
    means = np.mean(random.choice(found, (RESAMPLES, len(found))), axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "exposure": {"value": float(np.mean(found)), "low": float(low), "high": float(high)},
        "canaries": found,
        "chance": math.log2(candidates) - float(np.log2(np.arange(1, candidates + 1)).mean()),
        "most": math.log2(candidates),
        "candidates": candidates,
    }


def rank(losses: np.ndarray) -> float:
    """The rank of the first loss among all, from 1, the least first; the mean one among equals."""
    return 1 + float((losses[1:] < losses[0]).sum()) + float((losses[1:] == losses[0]).sum()) / 2
