"""What a reader of a layout gives, and how readers look for files and columns."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa

from sensorium.data.table import read_table
from sensorium.errors import DataError

__all__ = ["Found", "columns_of", "files", "find", "not_found"]


@dataclass
class Found:
    """A set, read.

    Args:
        tables: the rows of each split. Of a DataFrame cells that are paths are media files, or where they should be;
            tables of Arrow, in parts, hold their media.
        targets: columns that can be learned, the usual one first. They tell of each other; none: it is not known.
        notes: lines for people; a table of Arrow may add some while it is read.
    """

    tables: dict[str, pd.DataFrame | Iterator[pa.Table]]
    targets: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def find(folder: Path, *names: str) -> Path | None:
    """The first of `names` that lies in `folder`, or one or two folders below it."""
    for name in names:
        for above in ("", "*/", "*/*/"):
            if found := sorted(folder.glob(above + name)):
                return found[0]
    return None


def files(folder: Path) -> Iterator[Path]:
    """All files of a folder and of those in it, in order, but hidden ones. Links to folders are followed, once each."""
    seen = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        here = os.path.realpath(where)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if here not in seen else []
        yield from (Path(where, name) for name in sorted(names) if not name.startswith(".") and here not in seen)
        seen.add(here)


def not_found(folder: Path, layout: str, looked_for: Iterable[str]) -> DataError:
    """What is raised where a folder holds nothing of a layout."""
    return DataError(f"cannot read {folder} as {layout}: looked for {', '.join(looked_for)}; there is none.")


def columns_of(path: Path, needed: Sequence[str], more: Sequence[str] = ()) -> dict[str, list[str]]:
    """Some columns of a table as text; of `more` those that it has.

    Raises:
        DataError: a needed column is not there.
    """
    table = read_table(path)
    for name in needed:
        if name not in table.columns:
            raise DataError(
                f"{path} has no column '{name}'; looked for {', '.join(needed)}. It has: {', '.join(table.columns)}."
            )
    return {name: list(table.cells(name)) for name in (*needed, *more) if name in table.columns}
