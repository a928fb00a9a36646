"""An array on disk for as long as it is used: written a row at a time, read as any array."""

import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.media.cache import SCRATCH

__all__ = ["ScratchArray"]


class ScratchArray:
    """Rows of one shape in a file without a name, mapped into memory, that goes by itself.

    The file is sparse: it takes disk for what was written. Its pages are memory that the system takes back at need.
    Row 0 is zeros, and is never written.

    Args:
        folder: where the file lies.
        rows: that can be added.
        shape, dtype: of a row.

    Raises:
        OSError: the folder can't be written to, or can't hold a file so large.
    """

    def __init__(self, folder: Path, rows: int, shape: tuple[int, ...], dtype: Any):
        self.size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self.used, self.length = 1, rows + 1
        self.file = tempfile.TemporaryFile(dir=folder, prefix=SCRATCH, buffering=0)
        weakref.finalize(self, self.file.close)
        self.file.truncate(self.length * self.size)
        self.values = np.asarray(np.memmap(self.file, dtype, "r", shape=(self.length, *shape)))
        self.file.seek(self.size)

    def add(self, row: np.ndarray) -> int | None:
        """Write a row; returns its number, or None from when there is no room: all rows are used, or the disk is full.

        It goes through the file, where a full disk is an error; in a map, that would end the program.
        """
        if self.used == self.length:
            return None
        row = np.ascontiguousarray(row, self.values.dtype)
        try:
            written = self.file.write(row)
        except OSError:
            written = 0
        if written < self.size:
            self.length = self.used
            return None
        self.used += 1
        return self.used - 1
