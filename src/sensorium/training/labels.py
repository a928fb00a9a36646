"""The rows with a target, on two sides, and what codes their targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sensorium.build import build_text_coder
from sensorium.config import Config
from sensorium.data.extended_target import extend_target
from sensorium.data.problems import Problems
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder, fit_target, is_filled
from sensorium.errors import DataError, did_you_mean
from sensorium.media.loader import MediaLoader
from sensorium.training.domain import of_domain
from sensorium.training.sides import choose_sides, warn_of_shared

__all__ = ["coded_sides", "has_target", "with_target", "without_target"]


def coded_sides(
    table: Table,
    valid: Table | None,
    config: Config,
    problems: Problems,
    loader: MediaLoader,
    warnings: list[str],
    known: Mapping[str, TargetCoder] | None = None,
) -> tuple[Table, Table, dict[str, TargetCoder]]:
    """Rows with a target, split, and the targets' coders: all that can be wrong with them is said before training.

    known: coders of another run, by target, which are gone on with.
    """
    table = with_target(table, config, problems, of_domain(table, config.domain.column))
    first = next(iter(config.targets))
    tasks = {name: target.task for name, target in config.targets.items()}

    def coded(name: str, cells: Sequence[Any]) -> TargetCoder:
        return extend_target(known[name], cells) if known and name in known else fit_target(name, cells, tasks[name])

    whole = coded(first, table.cells(first))
    if valid is None:
        table, valid = choose_sides(table, whole, config, loader, warnings)
    else:
        for name in config.targets:
            if name not in valid.columns:
                raise DataError(f"{valid.name} has no column '{name}'. {did_you_mean(name, valid.columns)}")
        valid = with_target(valid, config, problems)
        warn_of_shared(table, valid, config, loader, warnings)
    coders = {
        name: _counted(whole, table.cells(name)) if name == first else coded(name, table.cells(name)) for name in tasks
    }
    for name, task in tasks.items():
        if task == "generation":
            coders[name] = coder = build_text_coder(name, table.cells(name), config.targets[name])
            if cut := coder.cut(table.cells(name)):
                warnings.append(f"target '{name}': {cut} texts have more than {coder.max_tokens} tokens and are cut.")
    return table, valid, coders


def _counted(whole: TargetCoder, cells: list[Any]) -> TargetCoder:
    """The first target's coder with the class counts of the training part; its classes were checked on all rows."""
    codes, mask = whole.encode(cells)
    if whole.task == "multilabel":
        whole.counts = [int(count) for count in codes[mask].sum(0)]
    elif whole.task != "regression":
        whole.counts = [max(1, int(n)) for n in np.bincount(codes[mask].astype(int), minlength=len(whole.classes))]
    return whole


def has_target(table: Table, config: Config) -> np.ndarray:
    """Which rows have a value of some target, (N,) bool."""
    filled = np.zeros(len(table), dtype=bool)
    for name, target in config.targets.items():
        filled |= np.array([is_filled(cell, target.task) for cell in table.cells(name)])
    return filled


def with_target(table: Table, config: Config, problems: Problems, spared: np.ndarray | None = None) -> Table:
    """The rows with a value of some target; the others are noted, but for those `spared`, (N,) bool.

    Raises:
        DataError: there are none.
    """
    filled = has_target(table, config)
    for row in np.flatnonzero(~filled if spared is None else ~filled & ~spared):
        name = next(iter(config.targets))
        problems.add(table.name, table.number(int(row)), name, "no target", "the target is empty")
    if not filled.any():
        raise DataError(f"{table.name} has a value of {', '.join(config.targets)} in none of its {len(table)} rows.")
    return table if filled.all() else table.take(np.flatnonzero(filled))


def without_target(table: Table, unlabelled: Table | None, config: Config) -> list[Table]:
    """Rows that are of use for the alignment of domains alone, by table.

    Raises:
        DataError: there are none among those given for it.
    """
    column = config.domain.column
    spare = of_domain(table, column) & ~has_target(table, config)
    found = [table.take(np.flatnonzero(spare))] if spare.any() else []
    if unlabelled is not None:
        named = of_domain(unlabelled, column)
        if not named.any():
            raise DataError(
                f"{unlabelled.name} names a domain in none of its {len(unlabelled)} rows: column '{column}' is empty. "
                "Fill it, or leave the table out."
            )
        found.append(unlabelled.take(np.flatnonzero(named)))
    return found
