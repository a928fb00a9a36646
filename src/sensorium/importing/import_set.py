"""A public set to tables: the reader of its layout, then paths from the tables, targets, and files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from sensorium.data.table import write_parts, write_table
from sensorium.errors import ConfigError, DataError, did_you_mean
from sensorium.importing import LAYOUTS
from sensorium.importing.found import Found

__all__ = ["import_set"]


def import_set(
    layout: str,
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    target: str | Sequence[str] | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Path]:
    """Tables that `fit` takes, of a set in its published layout.

    No media are copied, unless they lie in arrays: paths in the tables start from the tables. A file that is not there
    is an empty cell.

    Args:
        layout: of the set: av-mnist, ch-sims, folders, grid, hateful-memes, hf, meld, mosei or mosi.
        folder: the set's.
        out: the folder for the tables; the set's own where left out.
        target: what is to be learned, of what the set tells; the usual one where left out. The others are not in the
            tables, since they tell of it.
        seed: of the splits, where the set has none.
        say: called with lines of text: how many rows, what is missing.

    Returns:
        The path of each split's table: train, valid, test, as far as the set has them.

    Raises:
        ConfigError: an unknown layout, or a target that the set has not.
        DataError: the folder is not laid out so, or a table is there already.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"unknown layout '{layout}'. {did_you_mean(layout, LAYOUTS)}")
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"cannot read {folder}: there is no such folder.")
    out = folder if out is None else Path(out)
    found = LAYOUTS[layout](folder, seed)
    targets = _targets(layout, found, target)
    order = sorted(found.tables, key=("train", "valid", "test", *found.tables).index)
    paths = {
        split: out / f"{split}{'.csv' if isinstance(found.tables[split], pd.DataFrame) else '.parquet'}"
        for split in order
    }
    for path in paths.values():
        if path.exists():
            raise DataError(f"{path} is there already. Take another folder for the tables, or delete it.")
    to_set = Path(os.path.relpath(folder.resolve(), out.resolve()))
    for split, path in paths.items():
        table = found.tables[split]
        if not isinstance(table, pd.DataFrame):
            write_parts(table, path)
            say(f"{path}: {pq.read_metadata(path).num_rows} rows")
            continue
        table = table.drop(columns=[name for name in found.targets if name not in targets])
        gone = {}
        for column in table:
            cells = table[column]
            if any(isinstance(cell, Path) for cell in cells):
                table[column] = [_led(cell, folder, to_set) for cell in cells]
                gone[column] = int((table[column] == "").sum())
        write_table(table, path)
        lost = [f"{count} without {column}" for column, count in gone.items() if count]
        say(f"{path}: {len(table)} rows" + (f", {', '.join(lost)}" if lost else ""))
    for note in found.notes:
        say(note)
    if left := [name for name in found.targets if name not in targets]:
        say(f"To learn: {', '.join(targets)}. Left out, as other targets: {', '.join(left)}.")
    return paths


def _targets(layout: str, found: Found, asked: str | Sequence[str] | None) -> tuple[str, ...]:
    if asked is None:
        return found.targets[:1]
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    for name in names:
        if name not in found.targets:
            raise ConfigError(f"{layout} has no target '{name}' to choose. {did_you_mean(name, found.targets)}")
    return names


def _led(cell: Any, folder: Path, to_set: Path) -> str:
    """The path of a medium from the folder of the tables; nothing where it is not there."""
    if not isinstance(cell, Path) or not cell.is_file():
        return ""
    return (to_set / os.path.relpath(cell, folder)).as_posix()
