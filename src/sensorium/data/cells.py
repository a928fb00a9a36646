"""What a cell holds."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.errors import MediaError

__all__ = ["is_missing", "locate", "says_nothing", "split_bag"]

OF_PANDAS = {"NAType", "NaTType"}  # by name: cells are read where pandas is not installed, too
NOTHING = {"na", "n/a", "nan", "none", "null", "unknown", "-", "?"}  # what programs write in an empty cell of numbers


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT, blank text, an empty list.

    Words such as "NA" are text here (a country code, a surname); only a numeric column takes them for missing.
    """
    if cell is None or type(cell).__name__ in OF_PANDAS:
        return True
    if isinstance(cell, str):
        return not cell.strip()
    if isinstance(cell, float | np.floating):
        return bool(np.isnan(cell))
    if isinstance(cell, list | tuple | bytes | np.ndarray):
        return len(cell) == 0 if not isinstance(cell, np.ndarray) else cell.size == 0
    if isinstance(cell, dict):
        return not cell or (cell.keys() <= {"bytes", "path"} and cell.get("bytes") is None and not cell.get("path"))
    return False


def says_nothing(cell: Any) -> bool:
    """Whether a cell among numbers means 'missing': it is, or it says so ("NA", "null", "-")."""
    return is_missing(cell) or (isinstance(cell, str) and cell.strip().lower() in NOTHING)


def locate(item: Any, root: Path) -> Any:
    """A media item of a cell, with a relative path led from `root`.

    Raises:
        MediaError: it is a URL, or something that no medium is made of.
    """
    if isinstance(item, str):
        if "://" in item[:16]:
            raise MediaError("it is a URL; only local files are read")
        return root / item
    if isinstance(item, os.PathLike):
        return root / item
    if isinstance(item, int | float | bool):
        raise MediaError(f"it must be a path, bytes or an array; got {item!r}")
    return item


def split_bag(cell: Any) -> list[Any]:
    """The files or values a cell names: 'a.jpg|b.jpg' or a list are several, all else is one. Empty ones are left out.

    Example:
        >>> split_bag("a.jpg| b.jpg |")
        ['a.jpg', 'b.jpg']
    """
    if is_missing(cell):
        return []
    if isinstance(cell, str):
        parts: list[Any] = [part.strip() for part in cell.split("|")]
    elif isinstance(cell, list) or (isinstance(cell, np.ndarray) and cell.dtype == object):
        parts = list(cell)
    elif isinstance(cell, tuple) and not is_wave(cell):
        parts = list(cell)
    else:
        parts = [cell]
    # Hugging Face's Parquet files hold media as {"bytes": ..., "path": ...}.
    parts = [(p["bytes"] if p.get("bytes") is not None else p.get("path")) if isinstance(p, dict) else p for p in parts]
    return [part for part in parts if not is_missing(part)]


def is_wave(cell: Any) -> bool:
    """Whether a cell is a (wave, rate) pair."""
    return (
        isinstance(cell, tuple)
        and len(cell) == 2
        and isinstance(cell[0], np.ndarray | list)
        and isinstance(cell[1], int | float | np.integer | np.floating)
    )
