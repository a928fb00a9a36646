"""A hash of a table's cells."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.data.table import Table

__all__ = ["cells_digest"]


def cells_digest(table: Table, columns: Sequence[str]) -> str:
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
