"""One media input of a table: which files its cells name, and what they became."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.data.cells import split_bag
from sensorium.data.media_readers import MediaReader
from sensorium.data.problems import Problems
from sensorium.data.table import Table
from sensorium.errors import MediaError
from sensorium.media.loader import Loaded, MediaLoader, Pending

__all__ = ["Allowance", "MediaColumn"]

UNKNOWN = -1


class Allowance:
    """Bytes of memory that may still be used, shared by the inputs of a table."""

    def __init__(self, left: int):
        self.left = left


class MediaColumn:
    """Reads an input's files. What the cache holds is found again by key; what it doesn't is kept in memory.

    A file that can't be read is missing from its row, and noted in `problems`, once.

    Args:
        reader: what the files become.
        table: where the cells are; a table without the column is one of empty cells.
        loader: of files.
        problems: where faults are noted.
        memory: for what the cache does not hold.
    """

    def __init__(self, reader: MediaReader, table: Table, loader: MediaLoader, problems: Problems, memory: Allowance):
        self.reader, self.table, self.loader, self.problems, self.memory = reader, table, loader, problems, memory
        self.recipe = reader.recipe
        column = reader.columns[0]
        self.cells = table.cells(column) if column in table.columns else None
        # Once a row is read: how many of its files the cache holds, and their keys. 16 bytes a file, for a million rows.
        self.counts = np.full(len(table), UNKNOWN, dtype=np.int16)
        self.keys = np.zeros((len(table), reader.bag), dtype="V16")
        self.kept: dict[int, list[np.ndarray]] = {}

    def begin(self, places: Sequence[int] | np.ndarray) -> dict[int, list[tuple[Any, Pending]]]:
        """Ask for the files of the rows that are not known yet."""
        unknown = self.counts[np.asarray(places, dtype=int)] == UNKNOWN
        return {place: self._ask(place) for place in set(np.asarray(places)[unknown].tolist())} if unknown.any() else {}

    def finish(
        self, places: Sequence[int] | np.ndarray, asked: dict[int, list[tuple[Any, Pending]]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The values of the rows, of which `begin` was asked the same, and their mask."""
        places = np.asarray(places, dtype=int)
        new = self._take(asked)
        if self.reader.shape is None:
            return self.reader.collate(self._items(places.tolist(), new))
        bag = self.reader.bag
        if not new and (self.counts[places] == bag).all():  # the usual case of later epochs: one copy a file
            values = np.empty((len(places) * bag, *self.reader.shape), dtype=self.reader.dtype)
            if not self._fetch(self.keys[places].reshape(-1).tolist(), values):
                return self.reader.batch(values, np.ones(len(values), dtype=bool))
        values = np.zeros((len(places) * bag, *self.reader.shape), dtype=self.reader.dtype)
        there = np.zeros(len(places) * bag, dtype=bool)
        slots: list[int] = []
        keys: list[bytes] = []
        for i, place in enumerate(places.tolist()):
            files = new.get(place, self.kept.get(place))
            if files is None:
                count = int(self.counts[place])
                slots.extend(range(i * bag, i * bag + count))
                keys.extend(self.keys[place, :count].tolist())
                continue
            for slot, file in enumerate(files, start=i * bag):
                values[slot], there[slot] = file, True
        there[slots] = True
        part = np.empty((len(keys), *self.reader.shape), dtype=self.reader.dtype)
        missing = self._fetch(keys, part)
        values[slots] = part
        for i in {slots[at] // bag for at in missing}:
            row = slice(i * bag, (i + 1) * bag)
            values[row], there[row] = 0, False
            for slot, file in enumerate(self._again(int(places[i])), start=i * bag):
                values[slot], there[slot] = file, True
        return self.reader.batch(values, there)

    def items(self, places: Sequence[int]) -> list[list[np.ndarray] | None]:
        """What each row's files became; None for a row without."""
        return self._items(places, self._take(self.begin(places)))

    def _ask(self, place: int) -> list[tuple[Any, Pending]]:
        files = split_bag(None if self.cells is None else self.cells[place])
        if len(files) > self.reader.bag:
            self._note(
                place, "cut", f"it names {len(files)} files, and at most {self.reader.bag} were in a training row"
            )
        asked = []
        for item in files[: self.reader.bag]:
            try:
                asked.append((item, self.loader.begin(self.table.resolve(item), self.recipe)))
            except MediaError as error:
                asked.append((item, Pending(None, error)))
        return asked

    def _take(self, asked: dict[int, list[tuple[Any, Pending]]]) -> dict[int, list[np.ndarray]]:
        """Wait for what was asked for, note what is wrong with it, and remember where it is."""
        loaded = iter(self.loader.finish([pending for files in asked.values() for _, pending in files]))
        new = {}
        for place, files in asked.items():
            found: list[Loaded] = []
            for item, _ in files:
                one = next(loaded)
                if isinstance(one.value, MediaError):
                    self._note(place, "broken", f"cannot read {named(item)} as {self.reader.medium}: {one.value}")
                    continue
                for kind, reason in one.value.notes:
                    self._note(place, kind, reason)
                found.append(one)
            new[place] = [one.value.values for one in found]
            self._remember(place, found)
        return new

    def _remember(self, place: int, found: list[Loaded]) -> None:
        if all(one.key is not None for one in found):
            self.keys[place, : len(found)] = [np.void(one.key) for one in found]
            self.counts[place] = len(found)
            return
        arrays = [one.value.values for one in found]
        size = sum(array.nbytes for array in arrays)
        if size <= self.memory.left:
            self.memory.left -= size
            self.kept[place] = arrays
            self.counts[place] = 0

    def _items(self, places: Sequence[int], new: dict[int, list[np.ndarray]]) -> list[list[np.ndarray] | None]:
        found = []
        for place in places:
            files = new.get(place, self.kept.get(place))
            if files is None:
                values = [self.loader.cache.get(key) for key in self.keys[place, : self.counts[place]].tolist()]
                files = self._again(place) if None in values else [value.values for value in values]
            found.append(files or None)
        return found

    def _fetch(self, keys: list[bytes], out: np.ndarray) -> list[int]:
        """Copy values from the cache; returns the places of those that are not there any more."""
        if not keys:
            return []
        self.loader.cache.touch(keys)
        return self.loader.cache.fetch(keys, out)

    def _again(self, place: int) -> list[np.ndarray]:
        """Read a row anew, whose values have gone from the cache meanwhile."""
        self.counts[place] = UNKNOWN
        return self._take(self.begin([place]))[place]

    def _note(self, place: int, kind: str, reason: str) -> None:
        self.problems.add(self.table.name, self.table.number(place), self.reader.columns[0], kind, reason)


def named(item: Any) -> str:
    """A media item in a message: its path, or what it is."""
    return str(item) if isinstance(item, str | os.PathLike) else f"{type(item).__name__} in memory"
