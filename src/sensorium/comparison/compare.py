"""Which kind of model, and which input, is best on a table: every generation and every input on the same rows."""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.comparison.cells import FIT, Cell, check_fusions, fusion_cells, list_cells
from sensorium.comparison.conclusion import Comparison, conclude
from sensorium.comparison.held_out import Part, hold_out
from sensorium.comparison.sameness import check_same, made_of
from sensorium.comparison.standing import Judge
from sensorium.comparison.trials import Outcome, Trials
from sensorium.config import Config
from sensorium.data.table import read_table
from sensorium.data.targets import CLASSED, TargetCoder, number
from sensorium.errors import ConfigError, DataError, SensoriumError
from sensorium.media.loader import processors
from sensorium.planning import over, plan
from sensorium.privacy.rules import refuse_privacy

__all__ = ["compare"]

Say = Callable[[str], None]
FEWEST = 10  # rows to learn from
LEAST = 1.0  # s: a network that gets less is not begun
NO_TIME = "no time was left"


def compare(
    table: Any,
    target: str | None = None,
    *,
    test: Any = None,
    out: str | os.PathLike[str] = "comparison",
    folds: int | None = None,
    seeds: int = 1,
    pairs: bool = False,
    fusions: Sequence[str] | None = None,
    jobs: int = 1,
    time_limit: float | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    ignore: Sequence[str] = (),
    modalities: Mapping[str, str] | None = None,
    media_root: str | os.PathLike[str] | None = None,
    split: Mapping[str, Any] | None = None,
    say: Say = lambda _: None,
    **training: Any,
) -> Comparison:
    """Fit every kind of model on every input and on all of them, and score all on the same held-out rows.

    Kinds are classical models on hand-made features, CNNs and RNNs, and Transformers, each by itself; and what
    `fit` makes of all inputs, where hand-made features stand beside the network. See `sensorium.comparison.cells`.
    Each finished cell is kept in `out`: called again with the same rows and options, it goes on with those that are
    left. Networks validate with a part of the rows that they learn from, never with those held out.

    Args:
        table: anything `read_table` takes.
        target: one column.
        test: the rows to answer; where left out, each of `folds` parts by models of the others, or else a fifth.
        out: the folder for comparison.csv, comparison.json, comparison.svg, answers.csv, and what cells gave.
        folds: parts.
        seeds: networks of each cell; 3 give intervals over seeds, too.
        pairs: compare every two inputs, too.
        fusions: by name, each with the better kind of network on all inputs; None: all there are; (): the
            configuration's alone.
        jobs: processes; each has rows and a model of its own in memory.
        time_limit: s; every cell that is still to be done gets an equal share of what is left.
        config, settings, ignore, modalities, media_root, split: as for `sensorium.fit`.
        say: called with lines of text.
        training: options of the section `training`, such as epochs=5.

    Raises:
        SensoriumError: whatever is wrong with the table or the options; what fails in one cell is that cell's note.
    """
    for name, value, least in (("seeds", seeds, 1), ("jobs", jobs, 1), ("time_limit", time_limit, 0)):
        if value is not None and (value < least or value == 0):
            raise ConfigError(f"{name} must be {'above 0' if least == 0 else '1 or more'}; got {value}.")
    started, fusions = time.monotonic(), check_fusions(fusions)
    rows = read_table(table, media_root)
    more = {"training": training, "split": {**(split or {}), **({} if folds is None else {"folds": folds})}}
    chosen, schema = plan(rows, target, over(config, more), settings, ignore, modalities)
    refuse_privacy(chosen, "a comparison", "its linear models learn without noise, and every fit would spend the budget")
    if len(chosen.targets) > 1:
        raise ConfigError(f"one target is compared at a time; got {', '.join(chosen.targets)}. Name one with --target.")
    if any(options.task == "generation" for options in chosen.targets.values()):
        raise ConfigError(
            f"'{next(iter(chosen.targets))}' is a text to be written; classes, labels and numbers are compared."
        )
    if test is not None and chosen.split.folds is not None:
        raise ConfigError("folds can't go with rows to test with: either these are answered, or each fold.")
    limit = chosen.training.time_limit if time_limit is None else time_limit
    chosen = chosen.model_copy(update={"training": chosen.training.model_copy(update={"time_limit": None})})
    tested = None if test is None else read_table(test, media_root)
    content = made_of(rows, tested, chosen)
    if content["test"] == content["table"]:
        raise ConfigError("the rows to test with are those to learn from. Leave them out: a fifth is then held out.")
    warnings: list[str] = []
    parts, coder = hold_out(rows, tested, chosen, warnings)
    judge = Judge(coder, _truth(parts, coder))
    folder = Path(out)
    check_same(folder, {**content, "seeds": seeds})
    for warning in warnings:
        say(f"warning: {warning}")
    trials = Trials(parts, _threaded(chosen, jobs), schema, coder, seeds, folder / "cells")
    cells = list_cells(chosen, coder.task, pairs)
    whole = [
        cell for cell in cells if cell.generation not in {"classical", FIT} and len(cell.inputs) == len(chosen.inputs)
    ]
    other = fusion_cells(chosen, whole[0], fusions)
    total = len(cells) + len(other)
    say(f"{total} cells, each answering {len(judge.truth)} rows that it has not seen.")
    done = _Ledger(judge, total, say)
    deadline = None if limit is None else started + limit
    with _processes(trials, jobs) as pool:
        _run(trials, cells, done, pool, jobs, deadline, len(other))
        other = fusion_cells(chosen, max(whole, key=lambda cell: _valid(done.outcomes.get(cell))), fusions)
        _run(trials, other, done, pool, jobs, deadline, 0)
    outcomes = [done.outcomes[cell] for cell in [*cells, *other] if cell in done.outcomes]
    return conclude(judge, parts, outcomes, done.failed, warnings, folder)


def _truth(parts: Sequence[Part], coder: TargetCoder) -> np.ndarray:
    """The true answers: class numbers, labels, or numbers in the target's unit.

    Raises:
        DataError: they can't tell models apart, or hardly any rows are left to learn from.
    """
    cells = [cell for part in parts for cell in part.held.cells(coder.name)]
    if (fewest := min(len(part.train) for part in parts)) < FEWEST:
        raise DataError(f"{fewest} rows are left to learn from; {FEWEST} at least are needed. Give more rows.")
    truth = np.array([number(cell) for cell in cells]) if coder.task == "regression" else coder.encode(cells)[0]
    if coder.task not in CLASSED and np.ptp(truth) == 0:
        raise DataError(
            f"target '{coder.name}' is the same in all {len(truth)} held-out rows, so that no answer can be scored. "
            "Give other rows to test with, or take --folds."
        )
    return truth


class _Ledger:
    """What has come of each cell."""

    def __init__(self, judge: Judge, total: int, say: Say):
        self.judge, self.total, self.say = judge, total, say
        self.outcomes: dict[Cell, Outcome] = {}
        self.failed: dict[Cell, str] = {}

    def note(self, cell: Cell, found: Outcome | str, again: bool = False) -> None:
        """A cell's outcome, or why there is none."""
        count = len(self.outcomes) + len(self.failed) + 1
        if isinstance(found, str):
            self.failed[cell] = found
            told = found
        else:
            self.outcomes[cell] = found
            metric = self.judge.metric
            told = f"{metric} {self.judge.value(found, metric):.3f}, {found.seconds:.1f} s"
            told += ", cut short by the time limit" * found.cut + ", done before" * again
        self.say(f"{count}/{self.total} {cell.name}: {told}")


def _processes(trials: Trials, jobs: int) -> Any:
    """As many processes, each with the trials; None for one job, which is done here."""
    if jobs == 1:
        return nullcontext()
    # Spawned and not forked: torch and the decoding threads don't survive a fork.
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start, (trials,))


def _run(
    trials: Trials,
    cells: Sequence[Cell],
    done: _Ledger,
    pool: ProcessPoolExecutor | None,
    jobs: int,
    deadline: float | None,
    later: int,
) -> None:
    """Run the cells that are not on disk yet.

    Args:
        pool: None runs them here, one by one.
        later: cells that are to come after these, and are to get as much time.
    """
    left: deque[Cell] = deque()
    for cell in cells:
        if (kept := Outcome.load(cell, trials.folder)) is not None:
            done.note(cell, kept, again=True)
        else:
            left.append(cell)

    def next_one() -> tuple[Cell, float | None] | None:
        """The next cell there is time for, with its share of the time."""
        while left:
            if deadline is None:
                return left.popleft(), None
            rest = deadline - time.monotonic()
            share = rest * min(jobs, len(left) + later) / (len(left) + later)
            cell = left.popleft()
            if rest > 0 and (share >= LEAST or cell.generation == "classical"):
                return cell, share
            done.note(cell, NO_TIME)
        return None

    if pool is None:
        while (task := next_one()) is not None:
            try:
                done.note(task[0], trials.run(*task))
            except SensoriumError as error:
                done.note(task[0], str(error))
        return
    running: dict[Future[Outcome], Cell] = {}
    while True:
        while len(running) < jobs and (task := next_one()) is not None:
            running[pool.submit(_run_one, *task)] = task[0]
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            cell = running.pop(future)
            try:
                done.note(cell, future.result())
            except BrokenProcessPool as error:
                raise SensoriumError(
                    f"a process of {jobs} ended while it ran {cell.name}, most likely for want of memory. "
                    "Take fewer jobs; what is finished is kept."
                ) from error
            except SensoriumError as error:
                done.note(cell, str(error))


_TRIALS: list[Trials] = []  # of a process of `_run`


def _start(trials: Trials) -> None:
    _TRIALS[:] = [trials]


def _run_one(cell: Cell, limit: float | None) -> Outcome:
    return _TRIALS[0].run(cell, limit)


def _valid(outcome: Outcome | None) -> float:
    return -np.inf if outcome is None or outcome.valid is None else outcome.valid


def _threaded(config: Config, jobs: int) -> Config:
    """With several processes, each takes its share of the processors."""
    if jobs == 1 or config.training.threads is not None:
        return config
    threads = max(1, processors() // jobs)
    return config.model_copy(update={"training": config.training.model_copy(update={"threads": threads})})
