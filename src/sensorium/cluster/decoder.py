"""The process that decodes the media of a table's parts."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

import pyarrow as pa

from sensorium.cluster.parts import Parts
from sensorium.cluster.stream import PartWorker
from sensorium.data.cells import split_bag
from sensorium.data.media_column import named
from sensorium.data.media_readers import MediaReader
from sensorium.data.problems import Problems
from sensorium.data.slices import Slices
from sensorium.data.table import Table
from sensorium.errors import DataError, MediaError
from sensorium.media.cache import content_digest, pack
from sensorium.media.limits import open_bytes
from sensorium.media.loader import shared_pool

__all__ = ["Decoder"]

SCHEMA = pa.schema([("key", pa.binary()), ("value", pa.large_binary())])
AHEAD = 16  # files that are being decoded
PIECE = 32 * 2**20  # bytes of values that are written at once
REMEMBERED = 1_000_000  # keys of files that were decoded here already, and are in a part before


class Asked(NamedTuple):
    """A file that is being decoded: where it stands, its key, and what it will become."""

    row: int
    reader: MediaReader
    item: Any
    key: bytes
    value: Future


class Decoder(PartWorker):
    """Decodes the files that a part's cells name, each once, by a process that a damaged file may crash.

    Args:
        parts, slices: of the table.
        readers: of the columns that hold media, by input.
        recipes: the hash of each one's recipe where the work was given out: another version of a library decodes
            otherwise, and nobody would find what it made.
        decode: seconds and MiB for one file.
    """

    def __init__(
        self,
        parts: Parts,
        slices: Slices,
        readers: Mapping[str, MediaReader],
        recipes: Mapping[str, str],
        decode: tuple[float, int],
    ):
        super().__init__(parts, slices)
        self.readers, self.seen = dict(readers), set()
        self.pool = shared_pool(1, *decode)
        self.others = [name for name, reader in readers.items() if reader.recipe.digest.hex() != recipes[name]]

    def work(self, part: int, table: Table) -> tuple[Iterator[pa.Table], dict[str, Any]]:
        if self.others:
            raise DataError(
                "a machine of the cluster has other versions of what decodes media (av, numpy, pillow, soundfile or "
                "soxr) than this one. Install the same everywhere."
            )
        about: dict[str, Any] = {}
        return self._tables(part, table, about), about

    def _tables(self, part: int, table: Table, about: dict[str, Any]) -> Iterator[pa.Table]:
        problems, before = Problems(), part * self.slices.size
        yield SCHEMA.empty_table()
        keys, values, size, files = [], [], 0, 0
        for key, value in self._decoded(table, problems):
            keys.append(key)
            values.append(value)
            size, files = size + len(value), files + 1
            if size >= PIECE:
                yield pa.table([keys, values], SCHEMA)
                keys, values, size = [], [], 0
        yield pa.table([keys, values], SCHEMA)
        about |= {
            "said": [],
            "problems": [count._replace(row=count.row + before) for count in problems.counts()],
            "files": files,
        }

    def _decoded(self, table: Table, problems: Problems) -> Iterator[tuple[bytes, bytes]]:
        """The key and the packed value of each file that was not met before."""
        waiting: deque[Asked] = deque()
        for asked in self._asked(table, problems):
            waiting.append(asked)
            if len(waiting) >= AHEAD:
                yield from self._taken(waiting.popleft(), table, problems)
        while waiting:
            yield from self._taken(waiting.popleft(), table, problems)

    def _asked(self, table: Table, problems: Problems) -> Iterator[Asked]:
        for reader in self.readers.values():
            column, recipe = reader.columns[0], reader.recipe
            for row, cell in enumerate(table.cells(column) if column in table.columns else ()):
                for item in split_bag(cell)[: reader.bag]:
                    try:
                        source = table.resolve(item)
                        opened = open_bytes(source, recipe.limits)
                        key = recipe.key(content_digest(opened))
                    except (MediaError, OSError) as error:
                        _note(problems, table, row, reader, item, error)
                        continue
                    if key in self.seen:
                        continue
                    if len(self.seen) < REMEMBERED:
                        self.seen.add(key)
                    value = self.pool.submit(recipe.kind, opened, recipe.options, recipe.limits)
                    yield Asked(row, reader, item, key, value)

    def _taken(self, asked: Asked, table: Table, problems: Problems) -> Iterator[tuple[bytes, bytes]]:
        try:
            value = asked.value.result()
        except MediaError as error:
            _note(problems, table, asked.row, asked.reader, asked.item, error)
            return
        for kind, reason in value.notes:
            problems.add(table.name, table.number(asked.row), asked.reader.columns[0], kind, reason)
        yield asked.key, pack(value)


def _note(problems: Problems, table: Table, row: int, reader: MediaReader, item: Any, error: Exception) -> None:
    reason = f"cannot read {named(item)} as {reader.medium}: {error}"
    problems.add(table.name, table.number(row), reader.columns[0], "broken", reason)
