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
from sensorium.media.scratch import ScratchArray

__all__ = ["Allowance", "MediaColumn"]

# A file's slot in the scratch array, or:
NONE = 0  # the row names no file there, or none that can be read
STORED = -1  # it is in the cache or in memory
UNKNOWN = -2  # the row was not read yet, or is kept nowhere
SHARED = 65_536  # files, that many rows may name, whose slots are remembered by key


class Allowance:
    """Bytes of memory that may still be used, shared by the inputs of a table."""

    def __init__(self, left: int):
        self.left = left

    def take(self, size: int) -> bool:
        """Use so many of them; False, and nothing is used, where there are fewer."""
        if size > self.left:
            return False
        self.left -= size
        return True


class MediaColumn:
    """Reads an input's files. What the cache holds is found again by key; what it doesn't is kept in memory.

    Values of one shape are copied to a scratch array when they are first read, and later epochs take a batch out of it
    at once. That is their size on disk once more; what `memory` has no room for comes from the cache.
    A file that can't be read is missing from its row, and noted in `problems`, once.

    Args:
        reader: what the files become.
        table: where the cells are; a table without the column is one of empty cells.
        loader: of files.
        problems: where faults are noted.
        memory: for the scratch array, whose file is mapped into memory, and for what the cache does not hold.
    """

    def __init__(self, reader: MediaReader, table: Table, loader: MediaLoader, problems: Problems, memory: Allowance):
        self.reader, self.table, self.loader, self.problems, self.memory = reader, table, loader, problems, memory
        self.recipe = reader.recipe
        column = reader.columns[0]
        self.cells = table.cells(column) if column in table.columns else None
        self.slots = np.full((len(table), reader.bag), UNKNOWN, dtype=np.int32)
        self.keys = np.zeros((len(table), reader.bag), dtype="V16")  # of stored files; takes memory for these alone
        self.kept: dict[int, list[np.ndarray]] = {}
        self.shared: dict[bytes, int] = {}
        self.open = len(table)  # rows whose files are not all mapped (yet); at none, nothing has to be looked up
        self.scratch: ScratchArray | None = None
        if loader.cache is not None and reader.shape is not None and memory.left:
            try:
                self.scratch = ScratchArray(loader.cache.folder.parent, self.slots.size, reader.shape, reader.dtype)
            except OSError:
                pass  # the cache alone does, more slowly

    def begin(self, places: Sequence[int] | np.ndarray) -> dict[int, list[tuple[Any, Pending]]]:
        """Ask for the files of the rows that are not known yet."""
        if not self.open:
            return {}
        places = np.asarray(places, dtype=int)
        unknown = self.slots[places, 0] == UNKNOWN
        return {place: self._ask(place) for place in set(places[unknown].tolist())}

    def finish(
        self, places: Sequence[int] | np.ndarray, asked: dict[int, list[tuple[Any, Pending]]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The values of the rows, of which `begin` was asked the same, and their mask."""
        places = np.asarray(places, dtype=int)
        new = self._take(asked) if asked else {}
        if self.reader.shape is None:
            return self.reader.collate(self._items(places.tolist(), new))
        slots = self.slots.take(places, axis=0).reshape(-1)
        if self.scratch is not None and (not self.open or slots.min(initial=NONE) == NONE):  # as in all later epochs
            return self.reader.batch(self.scratch.values.take(slots, axis=0), slots > NONE)
        return self.reader.batch(*self._gather(places, slots, new))

    def items(self, places: Sequence[int]) -> list[list[np.ndarray] | None]:
        """What each row's files became; None for a row without."""
        return self._items(places, self._take(self.begin(places)))

    def _gather(
        self, places: np.ndarray, slots: np.ndarray, new: dict[int, list[np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The files' values (rows * bag, ...) from wherever they are, and which there are."""
        bag = self.reader.bag
        values, there = np.empty((len(slots), *self.reader.shape), dtype=self.reader.dtype), slots > NONE
        values[slots == NONE] = 0
        if there.any():
            values[there] = self.scratch.values[slots[there]]

        def fill(row: int, files: list[np.ndarray]) -> None:
            whole = slice(row * bag, (row + 1) * bag)
            values[whole], slots[whole], there[whole] = 0, NONE, False
            for at, file in enumerate(files, row * bag):
                values[at], there[at] = file, True

        for row, place in enumerate(places.tolist() if new or self.kept else ()):
            files = new.get(place, self.kept.get(place))
            if files is not None:
                fill(row, files)
        stored = np.flatnonzero(slots == STORED)
        if len(stored):
            part = values if len(stored) == len(slots) else np.empty((len(stored), *self.reader.shape), values.dtype)
            missing = self._fetch(self.keys[places].reshape(-1)[stored].tolist(), part)
            there[stored] = True
            if part is not values:
                values[stored] = part
            for row in set((stored[missing] // bag).tolist()):
                fill(row, self._again(int(places[row])))
        return values, there

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
        if self.slots[place, 0] != UNKNOWN:  # two batches asked for it before either was there
            return
        slots = [self._slot(one) for one in found]
        if UNKNOWN not in slots:
            self.open -= STORED not in slots
            self.slots[place] = NONE
            self.slots[place, : len(found)] = slots
            for i, slot in enumerate(slots):
                if slot == STORED:
                    self.keys[place, i] = np.void(found[i].key)
            return
        arrays = [one.value.values for one in found]
        if self.memory.take(sum(array.nbytes for array in arrays)):
            self.kept[place] = arrays
            self.slots[place] = STORED

    def _slot(self, one: Loaded) -> int:
        """Where a file's values are from now on; UNKNOWN where neither the scratch array nor the cache holds them."""
        slot = self.shared.get(one.key)
        if slot is None and self.scratch is not None and self.memory.take(self.scratch.size):
            slot = self.scratch.add(one.value.values)
            if slot is not None and one.key is not None and len(self.shared) < SHARED:
                self.shared[one.key] = slot
        if slot is not None:
            return slot
        return UNKNOWN if one.key is None else STORED

    def _items(self, places: Sequence[int], new: dict[int, list[np.ndarray]]) -> list[list[np.ndarray] | None]:
        found = []
        for place in places:
            files = new.get(place, self.kept.get(place))
            if files is None:
                values = [
                    self._value(slot, key)
                    for slot, key in zip(self.slots[place].tolist(), self.keys[place].tolist(), strict=True)
                    if slot != NONE
                ]
                files = self._again(place) if any(value is None for value in values) else values
            found.append(files or None)
        return found

    def _value(self, slot: int, key: bytes) -> np.ndarray | None:
        """One file's values, copied; None where they have gone from the cache."""
        if slot > NONE:
            return self.scratch.values[slot].copy()
        found = self.loader.cache.get(key)
        return None if found is None else found.values

    def _fetch(self, keys: list[bytes], out: np.ndarray) -> list[int]:
        """Copy values from the cache; returns the places of those that are not there any more."""
        self.loader.cache.touch(keys)
        return self.loader.cache.fetch(keys, out)

    def _again(self, place: int) -> list[np.ndarray]:
        """Read a row anew, whose values have gone from the cache meanwhile."""
        self.slots[place] = UNKNOWN
        return self._take(self.begin([place]))[place]

    def _note(self, place: int, kind: str, reason: str) -> None:
        self.problems.add(self.table.name, self.table.number(place), self.reader.columns[0], kind, reason)


def named(item: Any) -> str:
    """A media item in a message: its path, or what it is."""
    return str(item) if isinstance(item, str | os.PathLike) else f"{type(item).__name__} in memory"
