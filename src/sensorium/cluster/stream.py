"""A table's parts through Ray Data: each is handed to one of many processes, which reads it, works on it and writes it."""

import logging
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

import sensorium.errors
from sensorium.cluster.connect import cluster
from sensorium.cluster.parts import Parts
from sensorium.data.problems import Count
from sensorium.data.slices import Slices
from sensorium.data.table import Table
from sensorium.errors import DataError, SensoriumError

__all__ = ["PartWorker", "tell", "work_through"]

MOST_TRIES = 4  # of one part; more processes are not given to it
MOST_BLOCKS = 10_000  # of Ray Data, which remembers each
TOLD = 10  # times that is told how far it is


class PartWorker(ABC):
    """One process's work: a part's rows to what is written of them.

    Ray gives a part to another process where one dies, so that a part may be begun twice. It is written once: under its
    number, whole.
    """

    def __init__(self, parts: Parts, slices: Slices):
        self.parts, self.slices = parts, slices

    @abstractmethod
    def work(self, part: int, table: Table) -> tuple[Iterable[pa.Table], dict[str, Any]]:
        """What is kept of a part, and plain data about it, which is whole when the last table has been taken."""

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        parts = batch["part"].tolist()
        failures = [self._made(part) for part in parts]
        return {"part": parts, "process": [os.getpid()] * len(parts), "failure": failures}

    def _made(self, part: int) -> str:
        """Make a part where it isn't there; why it can't be, as CLASS: MESSAGE, or nothing."""
        if self.parts.about(part) is not None:
            return ""
        tries = self.parts.begun(part)
        if tries > MOST_TRIES:
            first = part * self.slices.size + 1
            last = first + self.slices.count(part) - 1
            return (
                f"DataError:{MOST_TRIES} processes ended while they were at rows {first} to {last} of "
                f"{self.slices.name}: perhaps memory ran out. Give each of fewer workers more of it."
            )
        try:
            self.parts.write(part, *self.work(part, self.slices.table(part)))
        except SensoriumError as error:  # a mistake of the user's, which another process would only repeat
            return f"{type(error).__name__}:{error}"
        self.parts.ended(part)
        return ""


def work_through(
    address: str,
    worker: type[PartWorker],
    parts: Parts,
    slices: Slices,
    arguments: Sequence[Any],
    workers: int | None,
    say: Callable[[str], None],
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Have the parts made that are not there, by processes that are started for it.

    Args:
        address: see `sensorium.cluster.connect.cluster`.
        worker: a class.
        parts, slices: of the table.
        arguments: for the class, in each process, after these two.
        workers: processes; None: one a processor of the cluster.
        say: told how far it is.
        report: called with each part's `part` and `process` (its number on its machine) when it is there.

    Raises:
        SensoriumError: a part can't be made, or there is no cluster.
    """
    todo = [part for part in range(len(slices)) if parts.about(part) is None]
    if len(todo) < len(slices):
        say(f"{len(slices) - len(todo)} of {len(slices)} parts are there already.")
    if not todo:
        return
    parts.forget_tries()
    with cluster(address, workers) as ray:
        made = _made(ray, worker, (parts, slices, *arguments), todo, workers)
        for done, one in enumerate(made, 1):
            kind, _, message = one["failure"].partition(":")
            if kind:
                raise getattr(sensorium.errors, kind, DataError)(message)
            report({"part": one["part"], "process": one["process"]})
            if done * TOLD // len(todo) > (done - 1) * TOLD // len(todo):
                say(f"{done} of {len(todo)} parts done.")
    parts.forget_tries()


def tell(parts: Parts, slices: Slices, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Say what was said of the parts, each line once, and their problems, added up; what is known about each part."""
    said: dict[str, None] = {}
    found: dict[tuple[str, str], Count] = {}
    told = []
    for part in range(len(slices)):
        about = parts.about(part)
        if about is None:
            raise DataError(f"{parts.path(part)} is not there any more. Run the same command again.")
        said |= dict.fromkeys(about["said"])
        for count in (Count(*count) for count in about["problems"]):
            first = found.get((count.column, count.kind))
            found[count.column, count.kind] = count if first is None else first._replace(rows=first.rows + count.rows)
        told.append(about)
    for line in (*said, *(str(found[key]) for key in sorted(found))):
        say(line)
    return told


def _made(
    ray: ModuleType, worker: type[PartWorker], arguments: tuple[Any, ...], todo: list[int], workers: int | None
) -> Iterator[dict[str, Any]]:
    """What processes say of each part, as they come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own defaults
        from ray.data import ActorPoolStrategy, DataContext, from_items

        DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # what it does is told by `say`
    processors = max(1, int(ray.cluster_resources().get("CPU", 1)))
    most = min(workers or processors, len(todo))
    rows = from_items([{"part": part} for part in todo], override_num_blocks=min(len(todo), MOST_BLOCKS))
    pool = ActorPoolStrategy(min_size=1, max_size=most, initial_size=min(most, processors))
    made = rows.map_batches(worker, fn_constructor_args=arguments, batch_size=1, compute=pool, num_cpus=1)
    yield from made.iter_rows()
