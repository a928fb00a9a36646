"""`sensorium tune` on a Ray cluster: several trials at once, each fitted by a process of its own, in the one journal."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sensorium.cluster.connect import LOCAL, cluster, load_ray
from sensorium.errors import SensoriumError
from sensorium.media.loader import processors
from sensorium.predictor import Say
from sensorium.training.parts import Report, part_of
from sensorium.tuning.journal import DEFAULTS, Journal
from sensorium.tuning.outcome import Tuning
from sensorium.tuning.spaces import Space
from sensorium.tuning.trial import FAULTS, SLOW, Fitting, Scored, drawn, end, epoch_of, fatal, fitted, reason_of
from sensorium.tuning.tune import Ended
from sensorium.tuning.tune import tune as tune_here

__all__ = ["Trials", "tune"]

OFTEN = 0.2  # s
AGAIN = 1  # times that a trial whose process is lost is begun again, from its last checkpoint
CUT, PAUSED = "cut short", "paused"


def tune(
    table: Any,
    target: str | Sequence[str] | None = None,
    *,
    address: str = LOCAL,
    workers: int | None = None,
    **given: Any,
) -> Tuning:
    """`sensorium.tuning.tune.tune` with several trials at once.

    Args:
        table, target, given: as there. All machines must see the table's media and `out` under the same paths.
        address: see `sensorium.cluster.connect.cluster`.
        workers: trials at once; None: as many as the cluster has GPUs, else machines.

    Raises:
        SensoriumError: as there.
    """
    cpus = max(processors(), workers or 1) if address == LOCAL else None
    with cluster(address, cpus):
        return tune_here(table, target, several=Trials(workers), **given)


class Stopped(Exception):
    """A trial is not to go on: why."""


class Desk:
    """Takes each trial's epochs to who decides, and the decisions back."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, dict[str, Any]]] = []  # of trials, what was told at their ends
        self.lines: list[str] = []
        self.stops: dict[int, str] = {}

    def put(self, number: int, numbers: dict[str, Any]) -> None:
        self.epochs.append((number, numbers))

    def say(self, line: str) -> None:
        self.lines.append(line)

    def take(self) -> tuple[list[tuple[int, dict[str, Any]]], list[str]]:
        taken = self.epochs, self.lines
        self.epochs, self.lines = [], []
        return taken

    def stop(self, number: int, why: str) -> None:
        self.stops.setdefault(number, why)

    def stopped(self, number: int) -> str | None:
        return self.stops.get(number)


@dataclass
class Running:
    """A trial that a process has; `told`: the last epoch that is known of it."""

    trial: Any
    started: float
    first: bool
    told: int = 0


@dataclass(frozen=True)
class Trials:
    """Runs the trials of a tuning on the cluster that is connected; as `sensorium.tuning.tune.tune` takes it.

    The journal stays with this process: what is killed goes on as a tuning of one trial at a time does.

    Args:
        workers: trials at once; None: as many as the cluster has GPUs, else machines.
    """

    workers: int | None = None

    def __call__(
        self,
        journal: Journal,
        space: Space,
        fitting: Fitting,
        trials: int,
        deadline: float | None,
        say: Say,
        report: Report,
        ended: Ended,
    ) -> None:
        """
        Raises:
            SensoriumError: the defaults can't be fitted, for a reason that will hold for every trial.
        """
        from sensorium.cluster.train import resources

        ray = load_ray()
        count, cpus, gpu = resources(ray.nodes(), self.workers)
        say(f"{count} trials at once, each on {cpus} processors{' and a GPU' * gpu}.")
        desk = ray.remote(num_cpus=0)(Desk).remote()
        fit = ray.remote(num_cpus=cpus, num_gpus=int(gpu), max_retries=AGAIN)(_fit)
        shared = ray.put(replace(fitting, out=fitting.out.absolute()))
        running: dict[Any, Running] = {}

        def late() -> bool:
            return deadline is not None and time.monotonic() > deadline and bool(journal.trials())

        while True:
            while len(running) < count and len(journal.trials()) + len(running) < trials and not late():
                before, trial = journal.best(), journal.ask()
                data = drawn(journal, trial, space)
                if data is None:
                    ended(trial.number, before)
                    continue
                first = trial.user_attrs["folder"] == DEFAULTS
                limit = max(1.0, deadline - time.monotonic()) if first and deadline is not None else None
                ref = fit.remote(shared, data, trial.user_attrs["folder"], limit, trial.number, desk, first, cpus)
                running[ref] = Running(trial, time.monotonic(), first)
            if not running:
                break
            done, _ = ray.wait(list(running), timeout=OFTEN)
            self._look(ray, desk, journal, running, deadline, say, report)
            for ref in done:
                before = journal.best()
                one = running.pop(ref)
                if self._end(ray, ref, one, journal):
                    ended(one.trial.number, before)
        if (left := trials - len(journal.trials())) > 0:
            say(f"the time is up; the same command goes on with the {left} trials that are left.")

    def _look(
        self,
        ray: Any,
        desk: Any,
        journal: Journal,
        running: Mapping[Any, Running],
        deadline: float | None,
        say: Say,
        report: Report,
    ) -> None:
        """Note what the trials have told, and stop those that are to be."""
        epochs, lines = ray.get(desk.take.remote())
        for line in lines:
            say(line)
        at_work = {one.trial.number: one for one in running.values()}
        for number, numbers in epochs:
            value, epoch = epoch_of(numbers)
            if number in at_work and epoch > at_work[number].told:  # one that is begun again may tell it again
                trial, at_work[number].told = at_work[number].trial, epoch
                trial.report(value, step=epoch)
                part_of(report, f"trial {number}")(numbers)
                if not at_work[number].first and trial.should_prune():
                    desk.stop.remote(number, CUT)
        if deadline is None:
            return
        now, defaults = time.monotonic(), journal.first()
        for number, one in at_work.items():
            if not one.first and now > deadline:
                desk.stop.remote(number, PAUSED)
            elif not one.first and defaults and now > one.started + SLOW * defaults.user_attrs["seconds"]:
                desk.stop.remote(number, f"{SLOW} times as long as the defaults and not done")

    @staticmethod
    def _end(ray: Any, ref: Any, one: Running, journal: Journal) -> bool:
        """Tell the journal what a trial came to; False where it is to be gone on with another time."""
        trial, states, seconds = one.trial, journal.states, time.monotonic() - one.started
        try:
            found = ray.get(ref)
        except ray.exceptions.WorkerCrashedError:
            note = f"the process ended in it {AGAIN + 1} times, most likely for want of memory"
            end(journal, trial, states.FAIL, seconds, None, note)
            return True
        except ray.exceptions.RayTaskError as error:
            end(journal, trial, states.FAIL, seconds, None, reason_of(error.cause))
            return True
        if isinstance(found, Scored):
            end(journal, trial, states.COMPLETE, seconds, found)
        elif isinstance(found, SensoriumError):
            trial.set_user_attr("paused", True)  # it is begun again when the reason is gone
            raise found
        elif found[0] == PAUSED:
            trial.set_user_attr("paused", True)
            return False
        elif found[0] == "failed":
            end(journal, trial, states.FAIL, seconds, None, found[1])
        else:
            end(journal, trial, states.PRUNED, seconds, None, "" if found[0] == CUT else found[0])
        return True


def _fit(
    fitting: Fitting,
    data: dict[str, Any],
    folder: str,
    limit: float | None,
    number: int,
    desk: Any,
    first: bool,
    cpus: int,
) -> Scored | SensoriumError | tuple[str, ...]:
    """A trial's fit: its score, why no other would come to one, or how it ended."""
    import ray
    import torch

    torch.set_num_threads(cpus)
    looked = time.monotonic()

    def told(numbers: dict[str, Any]) -> None:
        nonlocal looked
        over = epoch_of(numbers) is not None
        if over:
            ray.get(desk.put.remote(number, numbers))
        if over or time.monotonic() - looked > 1:
            looked = time.monotonic()
            if (why := ray.get(desk.stopped.remote(number))) is not None:
                raise Stopped(why)

    def say(line: str) -> None:
        if first:
            desk.say.remote(line)

    try:
        return fitted(fitting, data, folder, told, limit, say)
    except Stopped as stopped:
        return stopped.args
    except FAULTS as error:
        return error if first and fatal(error) else ("failed", reason_of(error))
