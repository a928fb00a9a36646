"""What must stay together when rows are split, and what order they have in time."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sensorium.data.cells import is_missing
from sensorium.data.duplicates import SharedFiles
from sensorium.data.table import Table
from sensorium.data.tabular import moments
from sensorium.data.targets import label, number
from sensorium.errors import DataError

__all__ = ["row_groups", "row_names", "row_times"]

PLACEHOLDER = 0.25  # of the rows: a file in more of them stands for "none", or for a few kinds of rows
MOST = 0.5  # of the rows: a group of more, joined by files, is none to split by


def row_names(table: Table, column: str) -> list[str]:
    """What a column calls each row, as classes are called; "" where its cell is empty."""
    return ["" if is_missing(cell) else label(cell) for cell in table.cells(column)]


def row_groups(table: Table, by: str | None, shared: SharedFiles | None) -> tuple[np.ndarray | None, list[str]]:
    """The group of each row: rows with one value of a column, and rows that share a file, directly or by others.

    Args:
        table: the rows.
        by: the column; rows without a value are one group, since they may be one.
        shared: the rows' files.

    Returns:
        A number for each row, None where all are on their own; and warnings, where files are left out of account.
    """
    rows = len(table)
    groups = None
    if by is not None:
        groups = np.unique(row_names(table, by), return_inverse=True)[1]
    if shared is None or not len(shared.rows):
        return groups, []
    _, files = np.unique(shared.files, return_inverse=True)
    pairs = np.unique(np.stack([shared.rows, files]), axis=1)  # a file twice in a cell is one
    holders = np.bincount(pairs[1])
    warnings = []
    most = max(2, PLACEHOLDER * rows)
    if often := int((holders > most).sum()):
        warnings.append(
            f"{often} media file{'s are' if often > 1 else ' is'} in more than a quarter of the rows and may be on both "
            "sides of the split, as what stands for no file does. Split by a column (split.by) if it is no such thing."
        )
    pairs = pairs[:, (holders[pairs[1]] > 1) & (holders[pairs[1]] <= most)]
    if not pairs.size:
        return groups, warnings
    start = np.arange(rows) if groups is None else groups
    count = int(start.max()) + 1
    ends = start[pairs[0]], count + pairs[1]  # a graph of groups and files
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(count + len(holders),) * 2)
    joined = connected_components(graph, directed=False)[1][start]
    largest = np.bincount(joined).max()
    if largest > max(MOST * rows, np.bincount(start).max()):
        warnings.append(
            f"media files that rows share join {largest} of {rows} rows into one group; rows are split as if they "
            "shared none, and validation knows files from training. Split by a column (split.by), or give --valid."
        )
        return groups, warnings
    return joined, warnings


def row_times(table: Table, column: str) -> np.ndarray:
    """The time of each row, NaN where the cell is empty: the numbers of a column, or seconds since 1970 of its dates.

    Raises:
        DataError: a cell that is neither, or all are empty.
    """
    cells = table.cells(column)
    filled = [row for row, cell in enumerate(cells) if not is_missing(cell)]
    times = np.full(len(table), np.nan)
    if not filled:
        raise DataError(f"split.time: column '{column}' of {table.name} is empty in all {len(table)} rows.")
    found = [number(cells[row]) for row in filled]
    if None in found:
        found = moments([cells[row] for row in filled])
    if None in found:
        row = filled[found.index(None)]
        raise DataError(
            f"{table.name} row {table.number(row)}, column '{column}': split.time needs a date or a number; "
            f"got {str(cells[row])[:40]!r}. Mend it, or leave it empty."
        )
    times[filled] = found
    return times
