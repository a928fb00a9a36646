"""The rows of requests, read one request at a time, so that what is wrong with one touches no other."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensorium.data.batches import Reader, Rows
from sensorium.data.media_readers import MediaReader
from sensorium.data.targets import TargetCoder
from sensorium.errors import MediaError
from sensorium.media.limits import Limits
from sensorium.media.pool import DecoderPool

__all__ = ["ReadRow", "ReadRows", "read_row"]

LONG = 10_000  # characters of a row whose texts are read in a thread, and other requests go on meanwhile


@dataclass
class ReadRow:
    """One row, ready for the network.

    Args:
        cells: by column, as they were sent.
        items: by input, what its reader made of them; None where there is nothing.
        problems: (column, kind, reason).
    """

    cells: dict[str, Any]
    items: dict[str, Any] = field(default_factory=dict)
    problems: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        return [name for name, item in self.items.items() if item is None]


async def read_row(
    cells: dict[str, Any], readers: Mapping[str, Reader | MediaReader], pool: DecoderPool, limits: Limits
) -> ReadRow:
    """Decode a row's media in the pool's processes, and read its values."""
    row = ReadRow(cells, dict.fromkeys(readers))
    media = {name: reader for name, reader in readers.items() if isinstance(reader, MediaReader)}
    values = {name: reader for name, reader in readers.items() if name not in media}
    decoding = [_decode(row, name, reader, pool, limits) for name, reader in media.items()]
    if sum(len(cell) for cell in cells.values() if isinstance(cell, str)) > LONG:
        decoding.append(asyncio.to_thread(_read_values, row, values))
    else:
        _read_values(row, values)
    await asyncio.gather(*decoding)
    row.problems.sort()
    return row


def _read_values(row: ReadRow, readers: Mapping[str, Reader]) -> None:
    for name, reader in readers.items():

        def note(kind: str, reason: str, column: str = reader.columns[0]) -> None:
            row.problems.append((column, kind, reason))

        with np.errstate(all="ignore"):  # what comes of a number beyond float32 is seen in the answer
            row.items[name] = reader.read([row.cells.get(column) for column in reader.columns], note)


async def _decode(row: ReadRow, name: str, reader: MediaReader, pool: DecoderPool, limits: Limits) -> None:
    """Decode the files of one input. One that can't be read is a problem, and missing."""
    column = reader.columns[0]
    asked = [
        asyncio.wrap_future(pool.submit(reader.recipe.kind, file, reader.options, limits))
        for file in row.cells.get(column) or ()
    ]
    found = []
    for decoded in await asyncio.gather(*asked, return_exceptions=True):  # a request that is given up gives up all
        if isinstance(decoded, MediaError):
            row.problems.append((column, "broken", f"cannot be read as {reader.medium}: {decoded}"))
            continue
        if isinstance(decoded, BaseException):
            raise decoded
        row.problems.extend((column, kind, reason) for kind, reason in decoded.notes)
        found.append(decoded.values)
    row.items[name] = found or None


class _Cells:
    """What the rest of sensorium asks of a table, of rows that came in a request: no name, no folder, no file."""

    name = "the request"

    def __init__(self, rows: Sequence[ReadRow]):
        self._rows = rows
        self.columns = list(rows[0].cells)

    def __len__(self) -> int:
        return len(self._rows)

    def number(self, row: int) -> int:
        return row + 1

    def cells(self, column: str) -> list[Any]:
        return [row.cells.get(column) for row in self._rows]

    def release(self) -> None:
        """Nothing."""


class _Column:
    """An input's items, read already."""

    def __init__(self, reader: Reader | MediaReader, items: Sequence[Any]):
        self.reader, self._items = reader, items

    def begin(self, places: Sequence[int]) -> None:
        """Nothing."""

    def finish(self, places: Sequence[int], asked: None) -> tuple[np.ndarray, np.ndarray]:
        return self.reader.collate(self.items(places))

    def items(self, places: Sequence[int]) -> list[Any]:
        return [self._items[place] for place in places]


class ReadRows(Rows):
    """Rows that were read already, of one request or several.

    Args:
        rows: one at least.
        readers: that read them.
        coders: of targets of texts, which read what is asked.
    """

    def __init__(
        self,
        rows: Sequence[ReadRow],
        readers: Mapping[str, Reader | MediaReader],
        coders: Mapping[str, TargetCoder] | None = None,
    ):
        super().__init__(_Cells(rows), {}, coders)
        self.readers = dict(readers)
        self.columns = {name: _Column(reader, [row.items[name] for row in rows]) for name, reader in readers.items()}
