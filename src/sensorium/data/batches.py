"""Rows to batches: cells are read once, kept as far as memory allows, and collated with their masks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from sensorium.data.problems import Problems
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder
from sensorium.encoders.features import Input

__all__ = ["Batch", "EpochSampler", "Reader", "Rows", "collate"]

READING_THREADS = 4  # decoders release Python's lock; a few more threads than cores hide waiting for the disk


class Reader(Protocol):
    """What turns the cells of one input into arrays. `data.text.TextReader` is the shortest example."""

    modality: str
    columns: tuple[str, ...]

    def fit(self, rows: Sequence[Sequence[Any]]) -> None: ...
    def read(self, cells: Sequence[Any], resolve: Callable[[Any], Any], note: Callable[[str, str], None]) -> Any: ...
    def collate(self, items: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]: ...
    def state(self) -> dict[str, Any]: ...


class Batch(NamedTuple):
    """Rows for the model: inputs by name; targets by name as (values, mask of the rows that have it); the rows' places."""

    inputs: dict[str, Input]
    targets: dict[str, tuple[Tensor, Tensor]]
    rows: Tensor


class Rows(Dataset):
    """The rows of a table, read through `readers`.

    An input that can't be read is missing from its row and noted in `problems`; no other row ever stands in for it.

    Args:
        table: where the cells are.
        readers: one an input; those whose columns the table lacks count as missing.
        targets: coders of the target columns; none for prediction.
        problems: where faults are noted.
        memory: bytes of read arrays to keep; what is beyond is read anew each time.
    """

    def __init__(
        self,
        table: Table,
        readers: Mapping[str, Reader],
        targets: Mapping[str, TargetCoder] | None = None,
        problems: Problems | None = None,
        memory: int = 0,
    ):
        self.table, self.readers = table, dict(readers)
        self.problems = Problems() if problems is None else problems
        self.targets = {name: coder.encode(table.cells(name)) for name, coder in (targets or {}).items()}
        there = set(table.columns)
        self.cells = {
            name: list(
                zip(*[table.cells(c) if c in there else [None] * len(table) for c in reader.columns], strict=True)
            )
            for name, reader in self.readers.items()
        }
        self.memory, self.kept = memory, {}

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> tuple[int, dict[str, Any]]:
        if row in self.kept:
            return row, self.kept[row]
        items = {name: self._read(name, row) for name in self.readers}
        if self.memory > 0:
            self.memory -= sum(map(size, items.values()))
            self.kept[row] = items
        return row, items

    def load(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Read rows ahead, several at a time, until all are kept or memory is used up."""
        with ThreadPoolExecutor(READING_THREADS) as pool:
            for start in range(0, len(self), 64):
                if self.memory <= 0:
                    return
                stop = min(start + 64, len(self))
                list(pool.map(self.__getitem__, range(start, stop)))
                if progress is not None:
                    progress(stop, len(self))

    def batches(self, size: int) -> Iterator[Batch]:
        """All rows in order, `size` at a time, the next batch read while one is used."""
        with ThreadPoolExecutor(READING_THREADS) as pool:
            ahead = None
            for start in [*range(0, len(self), size), None]:
                future = (
                    None
                    if start is None
                    else [pool.submit(self.__getitem__, row) for row in range(start, min(start + size, len(self)))]
                )
                if ahead is not None:
                    yield collate(self, [row.result() for row in ahead])
                ahead = future

    def _read(self, name: str, row: int) -> Any:
        reader = self.readers[name]
        note = partial(self.problems.add, self.table.name, self.table.number(row), reader.columns[0])
        return reader.read(self.cells[name][row], self.table.resolve, note)


def size(item: Any) -> int:
    """Bytes of what was read of one cell."""
    if isinstance(item, list):
        return sum(map(size, item))
    return item.nbytes if isinstance(item, np.ndarray) else 16


def collate(rows: Rows, items: Sequence[tuple[int, dict[str, Any]]]) -> Batch:
    """Read rows as one batch."""
    places = torch.tensor([row for row, _ in items])
    inputs = {}
    for name, reader in rows.readers.items():
        values, mask = reader.collate([read[name] for _, read in items])
        inputs[name] = Input(torch.from_numpy(values), torch.from_numpy(mask))
    index = places.numpy()
    targets = {
        name: (torch.from_numpy(values[index]), torch.from_numpy(mask[index]))
        for name, (values, mask) in rows.targets.items()
    }
    return Batch(inputs, targets, places)


class EpochSampler(Sampler[int]):
    """A new order every epoch that depends on the seed and the epoch alone, so that a resumed run sees the same."""

    def __init__(self, length: int, seed: int):
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        return iter(torch.randperm(self.length, generator=generator).tolist())
