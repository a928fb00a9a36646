"""What a tuning has tried, in a SQLite file, so that one that was stopped or killed goes on."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sensorium.errors import ConfigError
from sensorium.tuning.library import load_optuna

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["DEFAULTS", "PRUNERS", "TRIALS", "Journal"]

FILE, LOCK = "journal.db", "lock.db"
DEFAULTS, TRIALS = "defaults", "trials"  # the folders of the first trial, and of the others
PRUNERS = ("median", "hyperband", "none")
RANDOM = 8  # trials before the search learns from them
UNPRUNED = 1  # trials whose losses are there before one is cut short: the defaults are a good measure
ATTEMPTS = 2  # of a trial in which the process ended
WORDS = {
    "version": "another version of sensorium",
    "table": "other rows",
    "valid": "other rows to validate with",
    "options": "other options",
    "choices": "other choices",
}


class Journal:
    """Optuna's study of a tuning: use it in a `with`, which closes its file.

    Scores are maximised. Attributes of a trial: folder (of its run), attempt, config (YAML), note, loss, epochs, seconds;
    replaced, where a later one goes on with it; paused, where the time was up in it.

    Args:
        folder: of the tuning; one holds one tuning.
        made_of: what the score of every trial depends on.
        defaults: the first trial's choices.
        seed: of the search.
        pruner: one of PRUNERS.
        epochs: of a trial, at most.
        several: trials run at once, which are not to try the same.

    Raises:
        ConfigError: there is no such pruner, or the folder holds another tuning, or one that runs.
    """

    def __init__(
        self,
        folder: Path,
        made_of: Mapping[str, Any],
        defaults: Mapping[str, Any],
        seed: int,
        pruner: str,
        epochs: int,
        several: bool = False,
    ):
        optuna = load_optuna()
        self.states = optuna.trial.TrialState
        if pruner not in PRUNERS:
            raise ConfigError(f"pruner must be one of {', '.join(PRUNERS)}; got '{pruner}'.")
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = _locked(folder)
        self.storage = optuna.storages.RDBStorage(f"sqlite:///{(folder / FILE).absolute()}")
        self.study = optuna.create_study(
            storage=self.storage, study_name="tuning", direction="maximize", load_if_exists=True,
            pruner=_pruner(optuna, pruner, epochs),
        )  # fmt: skip
        try:
            self._check(folder, made_of)
        except ConfigError:
            self.close()
            raise
        trials = self.study.get_trials(deepcopy=False)
        # Another seed than before, or a tuning that goes on would draw the same again.
        self.study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(trials), n_startup_trials=RANDOM, constant_liar=several
        )
        if not trials:
            self.study.enqueue_trial(dict(defaults), user_attrs={"folder": DEFAULTS})
        for trial in trials:
            if trial.state == self.states.RUNNING:
                self._go_on(trial)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self.storage.remove_session()
        self.storage.engine.dispose()
        self.lock.close()

    def trials(self) -> "list[FrozenTrial]":
        """Those that are over, in order, but for those that others go on with."""
        over = self.study.get_trials(deepcopy=False)
        return [trial for trial in over if trial.state.is_finished() and "replaced" not in trial.user_attrs]

    def finished(self) -> "list[FrozenTrial]":
        """Those with a score."""
        return [trial for trial in self.trials() if trial.state == self.states.COMPLETE]

    def folders(self) -> set[str]:
        """Those whose runs are needed: the best one's, the defaults', and of what is not over."""
        best = self.best()
        waiting = [trial for trial in self.study.get_trials(deepcopy=False) if not trial.state.is_finished()]
        kept = {trial.user_attrs.get("folder", "") for trial in [*waiting, *([] if best is None else [best])]}
        return {DEFAULTS, *kept}

    def first(self) -> "FrozenTrial | None":
        """That of the defaults, where it has a score."""
        return next((trial for trial in self.finished() if trial.user_attrs["folder"] == DEFAULTS), None)

    def best(self) -> "FrozenTrial | None":
        """The highest score; of equal ones the lowest validation loss, then the earliest."""
        return max(self.finished(), key=lambda t: (t.value, -t.user_attrs["loss"], -t.number), default=None)

    def _check(self, folder: Path, made_of: Mapping[str, Any]) -> None:
        """Remember what is tuned, and refuse another."""
        kept = self.study.user_attrs.get("made_of")
        if kept is None:
            self.study.set_user_attr("made_of", dict(made_of))
        elif other := [name for name in WORDS if kept.get(name) != made_of[name]]:
            raise ConfigError(
                f"{folder} holds a tuning with {' and '.join(WORDS[name] for name in other)}. "
                "Take another --out, or delete it; with the same ones it is gone on with."
            )

    def _go_on(self, trial: "FrozenTrial") -> None:
        """A trial in which the process ended is begun again, from its last checkpoint; one that ends it twice is left."""
        attempt = trial.user_attrs.get("attempt", 1) + ("paused" not in trial.user_attrs)
        attrs = self.storage.set_trial_user_attr
        if attempt > ATTEMPTS:
            note = f"the process ended in it {ATTEMPTS} times, most likely for want of memory"
            attrs(trial._trial_id, "note", note)
        else:
            folder = trial.user_attrs.get("folder", _folder(trial.number))
            self.study.enqueue_trial(trial.params, user_attrs={"folder": folder, "attempt": attempt})
            attrs(trial._trial_id, "replaced", True)
        self.study.tell(trial.number, state=self.states.FAIL)

    def trial(self, number: int) -> "FrozenTrial":
        """One of them."""
        return self.study.get_trials(deepcopy=False)[number]

    def ask(self) -> Any:
        """The next trial; what waits comes first."""
        trial = self.study.ask()
        if "folder" not in trial.user_attrs:
            trial.set_user_attr("folder", _folder(trial.number))
        return trial


def _locked(folder: Path) -> sqlite3.Connection:
    """A hold on a folder, which ends with the process: trials that run are then known to be of one that was killed.

    Raises:
        ConfigError: another process has it.
    """
    lock = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        raise ConfigError(f"another process is tuning in {folder}. Wait for it, or take another --out.") from error
    return lock


def _folder(number: int) -> str:
    return f"{TRIALS}/{number:04}"


def _pruner(optuna: Any, name: str, epochs: int) -> Any:
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=max(1, epochs // 9), max_resource=epochs)
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=max(2, epochs // 5))
    return optuna.pruners.NopPruner()
