"""What a comparison is made of, so that one that is gone on with is the same."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import Config, dump_config
from sensorium.data.table import Table
from sensorium.errors import ConfigError
from sensorium.export.archive import read_json, write_json

__all__ = ["check_same", "made_of"]


def made_of(table: Table, test: Table | None, config: Config) -> dict[str, Any]:
    """What every cell's outcome depends on."""
    used = list(config.targets)
    for name, given in config.inputs.items():
        used += given.columns if given.modality == "tabular" else [given.column or name]
    used += [column for column in (config.split.by, config.split.time) if column is not None]
    columns = list(dict.fromkeys(used))
    digest = None if test is None else _digest(test, columns)
    return {
        "version": version("sensorium"),
        "table": _digest(table, columns),
        "test": digest,
        "options": dump_config(config),
    }


def _digest(table: Table, columns: Sequence[str]) -> str:
    """SHA-256 of the cells, not of the files that they name."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(f"\0{column}\0".encode())
        for cell in table.cells(column) if column in table.columns else ():
            _feed(digest, cell)
    return digest.hexdigest()


def _feed(digest: Any, cell: Any) -> None:
    if isinstance(cell, list | tuple):
        digest.update(b"(")
        for part in cell:
            _feed(digest, part)
    elif hasattr(cell, "tobytes") and not np.isscalar(cell):  # an array or a picture
        digest.update(cell.tobytes())
    else:
        digest.update(cell if isinstance(cell, bytes) else repr(cell).encode())
    digest.update(b"\0")


def check_same(folder: Path, given: dict[str, Any]) -> None:
    """Remember what is compared; a folder holds one comparison.

    Raises:
        ConfigError: the folder holds another one.
    """
    path = folder / "made_of.json"
    if not path.exists():
        write_json(path, given)
        return
    kept = read_json(path)
    if other := [name for name in given if kept.get(name) != given[name]]:
        words = {
            "version": "another version of sensorium",
            "table": "other rows",
            "test": "other rows to test with",
            "options": "other options",
            "seeds": "other seeds",
        }
        raise ConfigError(
            f"{folder} holds a comparison with {' and '.join(words[name] for name in other)}. "
            "Take another --out, or delete it; with the same ones it is gone on with."
        )
