"""Which rows a fit learns from and which it validates with, as the configuration says."""

from collections.abc import Sequence

import numpy as np

from sensorium.build import media_limits
from sensorium.config import Config
from sensorium.data.cells import is_missing
from sensorium.data.duplicates import MOST_FILES, shared_files
from sensorium.data.groups import row_groups, row_times
from sensorium.data.schema import MEDIA
from sensorium.data.split import one_sided, split_by_time, split_rows
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder, label
from sensorium.errors import DataError
from sensorium.media.loader import MediaLoader

__all__ = ["choose_sides", "groups_of", "warn_of_shared"]


LARGE = 0.25  # of the rows: a group that is said, since what validates is then of the others


def choose_sides(
    table: Table, coder: TargetCoder | None, config: Config, loader: MediaLoader, warnings: list[str]
) -> tuple[Table, Table]:
    """The rows to learn from and those to validate with.

    Args:
        table: all rows, each with a value of some target.
        coder: of the first target, whose classes are to be on both sides; None: there is no target.
        config: complete.
        loader: of media.
        warnings: what is to be said of the split is added.

    Raises:
        DataError: a column that can't be split by, or one group only.
    """
    if coder is None:
        coder, codes, mask = TargetCoder("", "regression"), np.zeros(len(table)), np.ones(len(table), dtype=bool)
    else:
        codes, mask = coder.encode(table.cells(coder.name))
    groups = groups_of(table, config, loader, warnings)
    try:
        chosen = _validating(table, codes, mask, coder, config, groups, warnings)
    except DataError as error:
        own = row_groups(table, config.split.by, None)[0]
        if groups is None or (own is not None and np.array_equal(own, groups)):
            raise
        warnings.append(f"rows are split as if they shared no media files, with which it can't be: {error}")
        chosen = _validating(table, codes, mask, coder, config, own, warnings)
    warnings.extend(one_sided(codes[mask], coder, chosen[mask]))
    return table.take(np.flatnonzero(~chosen)), table.take(np.flatnonzero(chosen))


def _validating(
    table: Table,
    codes: np.ndarray,
    mask: np.ndarray,
    coder: TargetCoder,
    config: Config,
    groups: np.ndarray | None,
    warnings: list[str],
) -> np.ndarray:
    """Which rows validate, (N,) bool."""
    share = config.training.valid_share
    chosen = np.zeros(len(table), dtype=bool)
    if config.split.time is not None:
        times = row_times(table, config.split.time)
        chosen[split_by_time(times, share, groups)[1]] = True
        if undated := int(np.isnan(times).sum()):
            warnings.append(f"rows without '{config.split.time}' ({undated}) count as the earliest.")
    else:
        known = np.flatnonzero(mask)
        own = None if groups is None else groups[known]
        chosen[known[split_rows(codes[known], coder, share, config.training.seed, own)[1]]] = True
        if groups is not None:  # rows with other targets only go with their groups, and else are learned from
            chosen |= np.isin(groups, groups[chosen])
    if groups is not None and (largest := np.unique(groups, return_counts=True)[1].max()) > LARGE * len(table):
        warnings.append(f"{largest} of {len(table)} rows are one group and stay on one side of the split.")
    return chosen


def groups_of(table: Table, config: Config, loader: MediaLoader, warnings: list[str]) -> np.ndarray | None:
    """A number for each row: rows of one number must be on one side. None: each may go where it likes."""
    options, shared = config.split, None
    columns = media_columns(config)
    if columns and options.duplicates != "none":
        pictures = media_columns(config, "image") if options.duplicates == "near" else []
        shared = shared_files([table], columns, pictures, loader, media_limits(config))
        if shared is None:
            warnings.append(too_many(table))
    groups, more = row_groups(table, options.by, shared)
    warnings.extend(more)
    return groups


def warn_of_shared(train: Table, valid: Table, config: Config, loader: MediaLoader, warnings: list[str]) -> None:
    """Add warnings where rows to validate with hold files, or a value of `split.by`, that rows to learn from hold, too."""
    by = config.split.by
    if by is not None and by in valid.columns:
        known = {label(cell) for cell in train.cells(by) if not is_missing(cell)}
        rows = [row for row, cell in enumerate(valid.cells(by)) if not is_missing(cell) and label(cell) in known]
        if rows:
            warnings.append(shared_with(valid, rows, f"a value of '{by}'"))
    columns = media_columns(config)
    if not columns or config.split.duplicates == "none":
        return
    shared = shared_files([train, valid], columns, (), loader, media_limits(config))
    if shared is None:
        warnings.append(too_many(train))
        return
    checked = shared.rows >= len(train)
    known = np.isin(shared.files, shared.files[~checked])
    rows = np.unique(shared.rows[checked & known]) - len(train)
    if len(rows):
        warnings.append(shared_with(valid, rows, "a media file"))


def shared_with(valid: Table, rows: Sequence[int] | np.ndarray, what: str) -> str:
    return (
        f"{len(rows)} of {len(valid)} rows of {valid.name} hold {what} that rows to learn from hold too, the first in row "
        f"{valid.number(int(rows[0]))}: the scores flatter the model. Leave them out of one of the two."
    )


def too_many(table: Table) -> str:
    return (
        f"{table.name} has more than {MOST_FILES:,} cells of media; rows that share a file are not looked for. "
        "split.by keeps rows together by a column."
    )


def media_columns(config: Config, *modalities: str) -> list[str]:
    """The columns that inputs of these modalities read, of all media where none is named."""
    wanted = modalities or MEDIA
    inputs = config.inputs.items()
    return list(dict.fromkeys(given.column or name for name, given in inputs if given.modality in wanted))
