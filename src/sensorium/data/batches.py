"""Rows to batches, read while the batches before them are used."""

import copy
import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from sensorium.data.media_column import Allowance, MediaColumn
from sensorium.data.media_readers import MediaReader
from sensorium.data.problems import Problems
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder
from sensorium.encoders.features import Features, Input
from sensorium.media.loader import MediaLoader

__all__ = ["Batch", "EpochSampler", "Reader", "Rows"]

PLACE = torch.int32  # of a row; as in `Table`
AHEAD = 3  # batches that are ready or being read while one is used


class Reader(Protocol):
    """What turns the cells of one input into arrays. `data.text.TextReader` is the shortest example.

    Readers of media name no `read`: they are `MediaReader`s, and a `MediaColumn` reads for them.
    """

    modality: str
    columns: tuple[str, ...]

    def fit(self, rows: Any) -> None: ...
    def read(self, cells: Sequence[Any], note: Callable[[str, str], None]) -> Any: ...
    def collate(self, items: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]: ...
    def state(self) -> dict[str, Any]: ...


class Batch(NamedTuple):
    """Rows for the model: inputs by name; targets by name as (values, mask of the rows that have it); the rows' places."""

    inputs: dict[str, Input]
    targets: dict[str, tuple[Tensor, Tensor]]
    rows: Tensor


class ValueColumn:
    """One input whose cells hold the values themselves. As a MediaColumn, with nothing to wait for."""

    def __init__(self, reader: Reader, table: Table, problems: Problems):
        self.reader, self.table, self.problems = reader, table, problems
        there = set(table.columns)
        self.cells = [table.cells(column) if column in there else None for column in reader.columns]

    def begin(self, places: Sequence[int]) -> None:
        """Nothing."""

    def finish(self, places: Sequence[int], asked: None) -> tuple[np.ndarray, np.ndarray]:
        return self.reader.collate(self.items(np.asarray(places).tolist()))

    def items(self, places: Sequence[int]) -> list[Any]:
        return [self._read(place) for place in places]

    def _read(self, place: int) -> Any:
        note = partial(self.problems.add, self.table.name, self.table.number(place), self.reader.columns[0])
        return self.reader.read([None if cells is None else cells[place] for cells in self.cells], note)


class Rows:
    """The rows of a table, read through `readers`.

    An input that can't be read is missing from its row and noted in `problems`; no other row ever stands in for it.

    Args:
        table: where the cells are.
        readers: one an input; those whose columns the table lacks count as missing.
        targets: coders of the target columns; none for prediction.
        problems: where faults are noted.
        loader: of media files; None decodes them here and keeps nothing on disk.
        memory: bytes of decoded media to keep where the loader's cache doesn't.
    """

    def __init__(
        self,
        table: Table,
        readers: Mapping[str, Reader | MediaReader],
        targets: Mapping[str, TargetCoder] | None = None,
        problems: Problems | None = None,
        loader: MediaLoader | None = None,
        memory: int = 0,
    ):
        self.table, self.readers = table, dict(readers)
        self.problems = Problems() if problems is None else problems
        self.targets = {name: coder.read(table) for name, coder in (targets or {}).items()}
        self.loader, self.memory = loader or MediaLoader(), memory
        loader, allowance = self.loader, Allowance(memory)
        self.columns: dict[str, ValueColumn | MediaColumn] = {
            name: MediaColumn(reader, table, loader, self.problems, allowance)
            if isinstance(reader, MediaReader)
            else ValueColumn(reader, table, self.problems)
            for name, reader in self.readers.items()
        }

        self.known: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # by input, see `sensorium.training.frozen`

    def __len__(self) -> int:
        return len(self.table)

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the same rows, which reads their files itself and notes what is wrong with them."""
        own = self.table, self.readers, self.problems.strict, self.loader, self.memory
        return _again, (*own, self.targets, self.known)

    def only(self, name: str) -> "Rows":
        """The same rows with one of the inputs; what is read or noted for either is for both."""
        view = copy.copy(self)
        view.readers, view.columns = {name: self.readers[name]}, {name: self.columns[name]}
        return view

    def items(self, name: str, places: Sequence[int]) -> list[Any]:
        """What an input's cells became in these rows, None where they hold nothing: before they are a batch."""
        return self.columns[name].items(places)

    def begin(self, places: Sequence[int] | np.ndarray) -> dict[str, Any]:
        """Ask for all that has to be decoded for these rows; `finish` waits for it."""
        return {name: column.begin(places) for name, column in self.columns.items()}

    def finish(self, places: Sequence[int] | np.ndarray, asked: dict[str, Any]) -> Batch:
        inputs = {}
        for name, column in self.columns.items():
            values, mask = column.finish(places, asked[name])
            known = None
            if name in self.known:
                known = Features(*(torch.from_numpy(part[np.asarray(places)]) for part in self.known[name]))
            inputs[name] = Input(torch.from_numpy(values), torch.from_numpy(mask), known)
        self.table.release()
        index = np.asarray(places)
        targets = {
            name: (torch.from_numpy(values[index]), torch.from_numpy(mask[index]))
            for name, (values, mask) in self.targets.items()
        }
        return Batch(inputs, targets, torch.from_numpy(index.astype(np.int64)))

    def batch(self, places: Sequence[int] | np.ndarray) -> Batch:
        """These rows."""
        return self.finish(places, self.begin(places))

    def batches(self, size: int, order: Sequence[int] | np.ndarray | None = None) -> Iterator[Batch]:
        """All rows, or those of `order`, `size` at a time; a thread reads the next ones while one is used."""
        order = np.arange(len(self)) if order is None else np.asarray(order)
        yield from self.in_parts([order[start : start + size] for start in range(0, len(order), size)])

    def in_parts(self, parts: Sequence[np.ndarray]) -> Iterator[Batch]:
        """The rows of each part as a batch; a thread reads the next ones while one is used."""
        if len(parts) <= 1:
            yield from map(self.batch, parts)
            return
        ready: queue.Queue[Batch | BaseException] = queue.Queue(AHEAD)
        stop = threading.Event()
        thread = threading.Thread(target=self._fill, args=(parts, ready, stop), name="sensorium-reader", daemon=True)
        thread.start()
        try:
            for _ in parts:
                got = ready.get()
                if isinstance(got, BaseException):
                    raise got
                yield got
        finally:
            stop.set()
            while thread.is_alive():  # it may wait for room
                try:
                    ready.get(timeout=0.01)
                except queue.Empty:
                    pass

    def _fill(
        self, parts: Sequence[np.ndarray], ready: "queue.Queue[Batch | BaseException]", stop: threading.Event
    ) -> None:
        """Put each part's batch into `ready`; the next part's files are asked for before one's are waited for."""
        try:
            asked = self.begin(parts[0])
            for part, following in itertools.pairwise(itertools.chain(parts, [parts[-1][:0]])):
                if stop.is_set():
                    return
                ahead = self.begin(following)
                ready.put(self.finish(part, asked))
                asked = ahead
        except BaseException as error:  # raised again where the batches are taken
            ready.put(error)


def _again(
    table: Table,
    readers: Mapping[str, Reader | MediaReader],
    strict: bool,
    loader: MediaLoader,
    memory: int,
    targets: dict[str, tuple[np.ndarray, np.ndarray]],
    known: dict[str, tuple[np.ndarray, np.ndarray]],
) -> Rows:
    rows = Rows(table, readers, None, Problems(strict), loader, memory)
    rows.targets, rows.known = targets, known
    return rows


class EpochSampler:
    """A new order every epoch that depends on the seed and the epoch alone, so that a resumed run sees the same."""

    def __init__(self, length: int, seed: int):
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def order(self) -> np.ndarray:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        return torch.randperm(self.length, generator=generator, dtype=PLACE).numpy()
