"""One trial: a fit that is cut short where it can't become the best."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sensorium.data.table import Table
from sensorium.errors import DataError, SensoriumError, TrainingError
from sensorium.evaluation.metrics import MAIN
from sensorium.fitting import fit
from sensorium.predictor import Predictor, Say
from sensorium.training.parts import Report
from sensorium.tuning.journal import DEFAULTS, Journal
from sensorium.tuning.library import load_optuna
from sensorium.tuning.spaces import Space

__all__ = [
    "FAULTS", "SLOW", "Fitting", "Paused", "Scored", "drawn", "end", "epoch_of", "fatal", "fitted", "loss_of", "reason_of",
    "run_trial", "score_of",
]  # fmt: skip

FAULTS = (ValueError, RuntimeError, MemoryError, ArithmeticError)  # ours are ValueErrors, torch's RuntimeErrors
LONGEST = 200  # characters of a reason
SLOW = 3  # times as long as the defaults took: under a time limit a trial gets no more, or one could eat it all


class Paused(Exception):
    """The time is up while a trial runs; it is gone on with later."""


@dataclass(frozen=True)
class Fitting:
    """How configurations are fitted.

    Args:
        table, valid: rows.
        ignore, modalities: for `fit`.
        out: the folder of the tuning.
    """

    table: Table
    valid: Table | None
    ignore: tuple[str, ...]
    modalities: Mapping[str, str]
    out: Path

    def run(
        self,
        data: Mapping[str, Any],
        folder: str,
        report: Report = lambda _: None,
        limit: float | None = None,
        say: Say = lambda _: None,
    ) -> Predictor:
        """Fit, or go on with what was begun, in a folder of the tuning; a finished one is loaded.

        Args:
            data: the configuration.
            folder: below `out`.
            report: called after each step and epoch.
            limit: s; None: what the configuration says.
            say: called with lines of text.
        """
        own = data["training"].get("time_limit")
        # Else every trial would score each input by itself, too, which is of no use for the choice.
        training = {**data["training"], "probes": False}
        if limit is not None:
            training["time_limit"] = limit if own is None else min(own, limit)
        return fit(
            self.table, valid=self.valid, out=self.out / folder, config={**data, "training": training},
            ignore=self.ignore, modalities=self.modalities, resume=True, report=report, say=say,
        )  # fmt: skip


def score_of(predictor: Predictor) -> float:
    """The main metric on the validation rows; of several targets, less the loss that its epoch was chosen by.

    Raises:
        DataError: the validation rows tell no score.
    """
    if len(predictor.coders) > 1:
        return -loss_of(predictor)
    (name, coder), found = next(iter(predictor.coders.items())), predictor.metrics["targets"]
    score = found.get(name, {}).get("valid", {}).get(MAIN[coder.task])
    if score is None:
        raise DataError(f"the validation rows tell no {MAIN[coder.task]} of target '{name}'.")
    return float(score["value"])


def loss_of(predictor: Predictor) -> float:
    """What the best epoch was chosen by.

    Raises:
        TrainingError: it is finite in no epoch.
    """
    history = predictor.history
    loss = float(history["choice" if "choice" in history else "valid_loss"].min())
    if not math.isfinite(loss):
        raise TrainingError(f"the validation loss is {loss} in every epoch.")
    return loss


def run_trial(
    journal: Journal,
    trial: Any,
    space: Space,
    fitting: Fitting,
    deadline: float | None,
    report: Report,
    say: Say,
) -> None:
    """Fit what a trial takes and tell the journal: a score, that it was cut short, or why it failed.

    Args:
        journal: of the tuning.
        trial: that it asked for.
        space: of the choices.
        fitting: of configurations.
        deadline: of `time.monotonic`; a trial that is still running is paused, but the defaults are then finished sooner.
        report: of who watches.
        say: called with what the defaults' fit has to say of the rows; the others would say the same again.

    Raises:
        Paused: the time is up.
        SensoriumError: the defaults can't be fitted, for a reason that will hold for every trial.
    """
    pruned = load_optuna().TrialPruned
    folder, states = trial.user_attrs["folder"], journal.states
    first = folder == DEFAULTS
    data = drawn(journal, trial, space)
    if data is None:
        return
    started = time.monotonic()
    limit = max(1.0, deadline - started) if first and deadline is not None else None
    last = None if first else deadline
    if last is not None and (defaults := journal.first()) is not None:
        slow = started + SLOW * defaults.user_attrs["seconds"]
    else:
        slow = None
    watch = _watcher(trial, report, last, slow, not first)
    state, scored, note = states.FAIL, None, ""
    try:
        scored = fitted(fitting, data, folder, watch, limit, say if first else lambda _: None)
        state = states.COMPLETE
    except Paused:
        trial.set_user_attr("paused", True)
        raise
    except pruned:
        state = states.PRUNED
    except FAULTS as error:
        if first and fatal(error):
            trial.set_user_attr("paused", True)  # it is begun again when the reason is gone
            raise
        note = reason_of(error)
    end(journal, trial, state, time.monotonic() - started, scored, note)


class Scored(NamedTuple):
    """What a trial's fit came to: the score, the loss that its epoch was chosen by, its epochs, and what is to be noted."""

    value: float
    loss: float
    epochs: int
    note: str


def drawn(journal: Journal, trial: Any, space: Space) -> dict[str, Any] | None:
    """The configuration that a trial takes; None where another has taken the same: it is then told what that came to."""
    states = journal.states
    data = space.draw(lambda choice: choice.suggest(trial))
    if trial.user_attrs["folder"] == DEFAULTS:
        data = space.draw(lambda choice: choice.default)
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    trial.set_user_attr("config", text)
    twin = next((other for other in journal.trials() if other.user_attrs.get("config") == text), None)
    if twin is None or twin.state == states.FAIL:
        return data
    for name in ("loss", "epochs"):
        if name in twin.user_attrs:
            trial.set_user_attr(name, twin.user_attrs[name])
    trial.set_user_attr("note", f"the same as trial {twin.number}")
    journal.study.tell(trial, twin.value if twin.state == states.COMPLETE else None, state=twin.state)
    return None


def fitted(
    fitting: Fitting, data: Mapping[str, Any], folder: str, report: Report, limit: float | None, say: Say
) -> Scored:
    """Fit a configuration; see `Fitting.run`."""
    predictor = fitting.run(data, folder, report, limit, say)
    note = "" if predictor.metrics["stopped"] != "the time limit" else "cut short by the time limit"
    return Scored(score_of(predictor), loss_of(predictor), len(predictor.history), note)


def fatal(error: BaseException) -> bool:
    """Whether it would come of every trial."""
    return isinstance(error, SensoriumError) and not isinstance(error, TrainingError)


def end(journal: Journal, trial: Any, state: Any, seconds: float, scored: Scored | None, note: str = "") -> None:
    """Tell the journal what a trial came to."""
    if scored is not None:
        trial.set_user_attr("loss", scored.loss)
        trial.set_user_attr("epochs", scored.epochs)
        note = scored.note
    elif state == journal.states.PRUNED:
        trial.set_user_attr("epochs", len(journal.study.get_trials(deepcopy=False)[trial.number].intermediate_values))
    trial.set_user_attr("seconds", seconds)
    if note:
        trial.set_user_attr("note", note)
    journal.study.tell(trial, None if scored is None else scored.value, state=state)


def _watcher(
    trial: Any, report: Report, deadline: float | None, slow: float | None, prune: bool
) -> Callable[[dict[str, Any]], None]:
    """A report that cuts a trial short by the validation loss of its epochs, or at `slow`; at the deadline it pauses it."""
    pruned = load_optuna().TrialPruned

    def told(numbers: dict[str, Any]) -> None:
        report(numbers)
        if deadline is not None and time.monotonic() > deadline:
            raise Paused
        if slow is not None and time.monotonic() > slow:
            trial.set_user_attr("note", f"{SLOW} times as long as the defaults and not done")
            raise pruned
        if (found := epoch_of(numbers)) is not None:
            trial.report(*found)
            if prune and trial.should_prune():
                raise pruned

    return told


def epoch_of(numbers: Mapping[str, Any]) -> tuple[float, int] | None:
    """What a trial is held against others by after an epoch, the larger the better, and the epoch."""
    if "row" not in numbers or "part" in numbers:  # of a network of one input, trained besides
        return None
    row = numbers["row"]
    return -row.get("choice", row["valid_loss"]), int(row["epoch"])


def reason_of(error: BaseException) -> str:
    """What is noted of a trial that fails."""
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or "out of memory" in words or "allocate memory" in words:
        words = f"out of memory: {words}"
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"
