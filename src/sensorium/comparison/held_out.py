"""The rows that all models of a comparison answer, and those that they learn from."""

from typing import NamedTuple

import numpy as np

from sensorium.build import build_loader
from sensorium.config import Config
from sensorium.data.problems import Problems
from sensorium.data.table import Table
from sensorium.data.targets import CLASSED, TargetCoder, fit_target
from sensorium.errors import DataError, did_you_mean
from sensorium.training.folds import folds_of
from sensorium.training.labels import with_target
from sensorium.training.sides import choose_sides, warn_of_shared

__all__ = ["Part", "hold_out"]

SHARE = 0.2  # of the rows, where neither a table nor folds are given
FEWEST = 2  # rows of a class to learn from: a network validates with one of them


class Part(NamedTuple):
    """Rows to learn from, and rows to answer, each with a known value of the target."""

    train: Table
    held: Table


def hold_out(table: Table, test: Table | None, config: Config, warnings: list[str]) -> tuple[list[Part], TargetCoder]:
    """The parts of a comparison, and the target's coder: `test`, else `config.split.folds` folds, else a fifth.

    The rules are those by which a fit chooses the rows that validate: groups stay together, the latest rows are held
    out with split.time, every class is on both sides. Rows of a class that too few rows are left to learn from are
    left out on both sides, with a warning.

    Raises:
        DataError: the rows can't be split so, or `test` lacks the target.
    """
    name, target = next(iter(config.targets.items()))
    table = with_target(table, config, Problems())
    coder = fit_target(name, table.cells(name), target.task)
    if test is not None:
        if name not in test.columns:
            raise DataError(f"{test.name} has no column '{name}'. {did_you_mean(name, test.columns)}")
        if new := coder.unknown(test.cells(name)):
            warnings.append(f"classes that no row to learn from has are left out: {', '.join(new[:5])}.")
        known = np.flatnonzero(coder.encode(test.cells(name))[1])
        if not len(known):
            raise DataError(f"{test.name} has no row with a known value of '{name}'.")
        test = test.take(known)
        warn_of_shared(table, test, config, build_loader(config), warnings)
        parts = [Part(table, test)]
    elif config.split.folds is not None:
        folds = folds_of(table, config)
        parts = [
            Part(table.take(np.flatnonzero(folds != fold)), table.take(np.flatnonzero(folds == fold)))
            for fold in range(config.split.folds)
        ]
    else:
        share = config.model_copy(update={"training": config.training.model_copy(update={"valid_share": SHARE})})
        parts = [Part(*choose_sides(table, coder, share, build_loader(config), warnings))]
    return [_learnable(part, coder, warnings) for part in parts], coder


def _learnable(part: Part, coder: TargetCoder, warnings: list[str]) -> Part:
    """The part without rows of classes that can't be learned from it."""
    if coder.task not in CLASSED:
        return part
    codes = [coder.encode(table.cells(coder.name))[0].astype(int) for table in part]
    counts = np.bincount(codes[0], minlength=len(coder.classes))
    few = (counts < FEWEST) & (np.bincount(np.concatenate(codes), minlength=len(counts)) > 0)
    if not few.any():
        return part
    names = ", ".join(f"'{coder.classes[kind]}'" for kind in np.flatnonzero(few)[:5])
    line = f"too few rows are left to learn the classes {names} from; their rows are left out."
    if line not in warnings:
        warnings.append(line)
    return Part(*(table.take(np.flatnonzero(~few[own])) for table, own in zip(part, codes, strict=True)))
