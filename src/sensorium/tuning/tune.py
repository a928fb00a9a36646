"""The best encoders, fusion and training options for a table, searched for with Optuna."""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sensorium.comparison.sameness import made_of
from sensorium.data.table import read_table
from sensorium.errors import ConfigError, SensoriumError
from sensorium.export.archive import read_json, write_json
from sensorium.planning import over, plan
from sensorium.predictor import Predictor, Say
from sensorium.privacy.rules import refuse_privacy
from sensorium.stopping import stoppable
from sensorium.training.parts import Report, part_of
from sensorium.tuning.journal import DEFAULTS, TRIALS, Journal
from sensorium.tuning.library import load_optuna
from sensorium.tuning.on_test import compare_on
from sensorium.tuning.outcome import Tuning, conclude, sign_of
from sensorium.tuning.spaces import Space, written_of
from sensorium.tuning.trial import Fitting, Paused, run_trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Several", "tune"]

Ended = Callable[[int, "FrozenTrial | None"], None]  # the number of a trial, and the best one before it
Several = Callable[[Journal, Space, Fitting, int, float | None, Say, Report, Ended], None]

BEST, MARK = "best", "tuned.json"


def tune(
    table: Any,
    target: str | Sequence[str] | None = None,
    *,
    valid: Any = None,
    test: Any = None,
    out: str | os.PathLike[str] = "tuning",
    trials: int = 30,
    time_limit: float | None = None,
    pruner: str = "median",
    only: Sequence[str] = (),
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    ignore: Sequence[str] = (),
    modalities: Mapping[str, str] | None = None,
    media_root: str | os.PathLike[str] | None = None,
    split: Mapping[str, Any] | None = None,
    say: Say = lambda _: None,
    report: Report = lambda _: None,
    several: "Several | None" = None,
    **training: Any,
) -> Tuning:
    """Fit again and again with other encoders, another fusion and other options, and keep the best.

    The first trial is that of the defaults, so that the best is never worse on the validation rows, which are the same in
    every trial. What the configuration writes stays as it is. Each trial is kept in `out`: called again with the same rows
    and options, it goes on, also after a kill or a signal. A trial that fails is passed over.

    Args:
        table, target, valid, config, settings, ignore, modalities, media_root, split: as for `sensorium.fit`.
        test: rows that no trial sees: at the end the best and the defaults are scored on them.
        out: the folder for the best run (best), its configuration (best.yaml), that of the defaults (defaults), trials.csv,
            tuning.json, importance.svg, and the journal.
        trials: how many there are to be in `out` at the end.
        time_limit: s; no trial is begun after it, and one that runs is stopped, to be gone on with another time. A trial gets
            three times as long as the defaults took.
        pruner: cuts trials short by the validation loss after each epoch: median, hyperband or none.
        only: paths, such as fusion or inputs.photo, of what is chosen; all that is not written where left out.
        say, report: called with lines of text, and with numbers after each step and epoch.
        several: runs trials at once elsewhere, such as `sensorium.cluster.tune.Trials`; None: one after another, here.
        training: options of the section `training`, such as epochs=5.

    Raises:
        SensoriumError: whatever is wrong with the table or the options; what fails in one trial is that trial's note.
    """
    load_optuna()  # before anything else takes time
    for name, value in (("trials", trials), ("time_limit", time_limit)):
        if value is not None and value <= 0:
            raise ConfigError(f"{name} must be above 0; got {value}.")
    started = time.monotonic()
    rows = read_table(table, media_root)
    given = over(config, {"training": training, "split": split or {}})
    chosen, _ = plan(rows, target, given, settings, ignore, modalities)
    refuse_privacy(chosen, "tuning", "every trial would spend the whole budget, and the choice among them more")
    if chosen.split.folds is not None:
        raise ConfigError("folds can't be tuned with: every trial would be that many fits. Leave split.folds out.")
    checked = None if valid is None else read_table(valid, media_root)
    tested = None if test is None else read_table(test, media_root)
    space = Space(chosen, written_of(given, chosen, settings), tuple(only))
    content = made_of(rows, checked, chosen)
    content = {**content, "valid": content.pop("test"), "choices": [repr(choice) for choice in space.choices]}
    folder = Path(out)
    fitting = Fitting(rows, checked, tuple(ignore), dict(modalities or {}), folder)
    seed, epochs = chosen.training.seed, chosen.training.epochs
    with stoppable(), Journal(folder, content, space.defaults(), seed, pruner, epochs, several is not None) as journal:
        deadline = None if time_limit is None else started + time_limit
        _run(journal, space, fitting, trials, deadline, say, report, several)
        best = journal.best()
        if best is None:
            reasons = [trial.user_attrs.get("note") for trial in journal.trials()]
            why = f"The last one: {reasons[-1]}." if reasons else "Give a longer --time-limit."
            raise SensoriumError(f"no trial of {len(reasons)} came to a score. {why}")
        predictor = _kept(best, fitting)
        found = {}
        if tested is not None:
            first = journal.first()
            found = compare_on(tested, predictor, None if first is None else _fitted(first, fitting))
        return conclude(journal, best, predictor, found, folder)


def _run(
    journal: Journal, space: Space, fitting: Fitting, trials: int, deadline: float | None, say: Say, report: Report,
    several: "Several | None",
) -> None:  # fmt: skip
    """Try until there are as many trials as wanted, or no time is left; only runs of the best and the defaults stay."""
    sign = sign_of(space.config.targets)
    if done := len(journal.trials()):
        say(f"{done} of {trials} trials are there.")
    else:
        say(f"{len(space.choices)} choices; the first trial is that of the defaults.")

    def ended(number: int, before: "FrozenTrial | None") -> None:
        line = _line(journal.trial(number), before, journal.best(), sign)
        say(f"{len(journal.trials())}/{trials} trial {number}: {line}")
        for run in (fitting.out / TRIALS).glob("*"):
            if f"{TRIALS}/{run.name}" not in journal.folders():
                shutil.rmtree(run)

    if several is not None:
        several(journal, space, fitting, trials, deadline, say, report, ended)
        return
    while (done := len(journal.trials())) < trials:
        if deadline is not None and done and time.monotonic() > deadline:
            say(f"the time is up; the same command goes on with the {trials - done} trials that are left.")
            return
        before, trial = journal.best(), journal.ask()
        try:
            run_trial(journal, trial, space, fitting, deadline, part_of(report, f"trial {done + 1} of {trials}"), say)
        except Paused:
            say("the time is up; the same command goes on with the trial that was stopped.")
            return
        ended(trial.number, before)


def _line(trial: "FrozenTrial", before: "FrozenTrial | None", best: "FrozenTrial | None", sign: int) -> str:
    """How a trial ended."""
    own = trial.user_attrs
    note = own.get("note", "")
    if trial.state.name == "FAIL":
        return f"failed, {note}"
    if trial.state.name == "PRUNED":
        return f"cut short after {own['epochs']} epochs{note and f', {note}'}" if "epochs" in own else note
    told = f"{sign * trial.value:.3f}"
    if "seconds" in own:
        told += f", {own['seconds']:.1f} s"
    told += f", {note}" if note else ""
    if best is not None and best.number == trial.number:
        return f"{told}, the best so far" if before is not None else told
    return told


def _kept(best: "FrozenTrial", fitting: Fitting) -> Predictor:
    """The best trial's run, which is put in its own place; fitted again where it is gone."""
    place, number = fitting.out / BEST, best.number
    if not (place / MARK).exists() or read_json(place / MARK)["trial"] != number:
        folder = best.user_attrs["folder"]
        _fitted(best, fitting)
        write_json(fitting.out / folder / MARK, {"trial": number})
        shutil.rmtree(place, ignore_errors=True)
        if folder == DEFAULTS:
            part = fitting.out / f"{BEST}.part"
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(fitting.out / folder, part)
            part.rename(place)
        else:
            (fitting.out / folder).rename(place)
    return _fitted(best, fitting, BEST)


def _fitted(trial: "FrozenTrial", fitting: Fitting, folder: str | None = None) -> Predictor:
    """A trial's run, from its folder or fitted again."""
    data = yaml.safe_load(trial.user_attrs["config"])
    return fitting.run(data, folder or trial.user_attrs["folder"])
