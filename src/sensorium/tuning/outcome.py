"""What a tuning comes to: a table of its trials, a configuration, a picture, some sentences."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from sensorium.data.table import write_atomically, write_table
from sensorium.evaluation.metrics import MAIN
from sensorium.export.archive import write_json
from sensorium.pictures.importance_plot import importance_plot
from sensorium.predictor import Predictor
from sensorium.tuning.importance import FEWEST, importance
from sensorium.tuning.journal import DEFAULTS, Journal

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Tuning", "conclude", "sign_of", "states_of"]

STATES = {"COMPLETE": "finished", "PRUNED": "cut short", "FAIL": "failed"}
LOSS = "validation loss"


@dataclass(frozen=True)
class Tuning:
    """What a tuning found.

    Args:
        frame: a row a trial, in order: trial, state (finished, cut short, failed), score, loss, epochs, seconds, note, and
            what it took of each choice.
        predictor: the best trial's.
        config: its configuration, as plain data.
        trial: its number; 0 is that of the defaults.
        metric: that decided, on the validation rows; "validation loss" of several targets, where the least is best.
        score, defaults: its value of the best trial and of the defaults; None where these failed.
        importance: the share of the scores' variance that a choice explains; empty of few trials.
        test: see `sensorium.tuning.on_test.compare_on`; empty without rows to test with.
        sentence: the same in words.
    """

    frame: pd.DataFrame
    predictor: Predictor
    config: dict[str, Any]
    trial: int
    metric: str
    score: float
    defaults: float | None
    importance: dict[str, float] = field(default_factory=dict)
    test: dict[str, dict[str, Any]] = field(default_factory=dict)
    sentence: str = ""

    @property
    def falling(self) -> bool:
        """Whether the least score is the best."""
        return self.metric == LOSS


def conclude(
    journal: Journal, best: "FrozenTrial", predictor: Predictor, test: Mapping[str, dict[str, Any]], folder: Path
) -> Tuning:
    """Gather all, and write trials.csv, tuning.json, best.yaml and, where it can be told, importance.svg.

    Args:
        journal: of the tuning.
        best: trial.
        predictor: of it.
        test: what both came to on other rows.
        folder: to write to.
    """
    sign = sign_of(predictor.coders)
    metric = LOSS if sign < 0 else MAIN[next(iter(predictor.coders.values())).task]
    first, finished = journal.first(), journal.finished()
    shares = importance(journal.study, finished)
    defaults = None if first is None else sign * first.value
    tuning = Tuning(
        _frame(journal, sign), predictor, yaml.safe_load(best.user_attrs["config"]), best.number, metric,
        sign * best.value, defaults, shares, dict(test), _words(journal, best, predictor, metric, sign, test),
    )  # fmt: skip
    rows = predictor.run["rows"]["valid"]
    told = {
        "targets": list(predictor.coders), "metric": metric, "rows": rows, "trials": states_of(journal),
        "best": {"trial": best.number, "score": tuning.score, "choices": best.params}, "defaults": {"score": defaults},
        "importance": shares, "test": tuning.test, "sentence": tuning.sentence,
    }  # fmt: skip
    write_atomically(folder / "best.yaml", best.user_attrs["config"].encode())
    write_table(tuning.frame, folder / "trials.csv")
    if shares:
        note = f"of the variance of {len(finished)} scores (fANOVA); choices that every trial had"
        picture = importance_plot(shares, f"what the {metric} depends on", note)
        write_atomically(folder / "importance.svg", picture.encode())
    write_json(folder / "tuning.json", told)
    return tuning


def sign_of(targets: Collection[str]) -> int:
    """What a trial's value must be multiplied by to be the score: of several targets it is the loss, less of which is better.

    Example:
        >>> sign_of(["price"]), sign_of(["price", "label"])
        (1, -1)
    """
    return -1 if len(targets) > 1 else 1


def states_of(journal: Journal) -> dict[str, int]:
    """How many trials ended in which way."""
    found = [STATES[trial.state.name] for trial in journal.trials()]
    return {name: found.count(name) for name in STATES.values()}


def _frame(journal: Journal, sign: int) -> pd.DataFrame:
    rows = []
    for trial in journal.trials():
        own = trial.user_attrs
        rows.append(
            {
                "trial": trial.number,
                "state": STATES[trial.state.name],
                "score": None if trial.state != journal.states.COMPLETE else sign * trial.value,
                **{name: own.get(name) for name in ("loss", "epochs", "seconds")},
                "note": "; ".join(filter(None, ["the defaults" * (own.get("folder") == DEFAULTS), own.get("note")])),
                **trial.params,
            }
        )
    return pd.DataFrame(rows)


def _words(
    journal: Journal,
    best: "FrozenTrial",
    predictor: Predictor,
    metric: str,
    sign: int,
    test: Mapping[str, dict[str, Any]],
) -> str:
    """What was gained, and how far to believe it."""
    first, rows = journal.first(), predictor.run["rows"]["valid"]
    said = [", ".join(f"{count} {name}" for name, count in states_of(journal).items() if count) + "."]
    score = f"{metric} {sign * best.value:.3f} on {rows} validation rows"
    if best.user_attrs["folder"] == DEFAULTS:
        said.append(f"The defaults are best: {score}. No other choice did better.")
    elif first is None:
        said.append(f"Trial {best.number} is best: {score}. The defaults have no score to compare it with.")
    else:
        gain = best.value - first.value
        more = (
            f"{gain:.3f} better than the defaults ({sign * first.value:.3f})" if gain else "no more than the defaults"
        )
        said.append(f"Trial {best.number} is best: {score}, {more}.")
        if metric != LOSS and not gain:
            said.append("Its validation loss is lower.")
        said.append(
            "It was chosen by these rows, so that its score flatters it: the best of many is partly the luckiest."
        )
    for name, found in test.items():
        of = f" of '{name}'" if len(test) > 1 else ""
        line = f"On {found['rows']} rows to test with, {found['metric']}{of} is {found['best']:.3f}"
        if best.user_attrs["folder"] != DEFAULTS and (gap := found.get("difference")):
            sure = "" if gap["low"] > 0 or gap["high"] < 0 else ", which may be chance"
            line += (
                f" and that of the defaults {found['defaults']:.3f}: a difference of {gap['value']:+.3f} "
                f"[{gap['low']:+.3f}, {gap['high']:+.3f}]{sure}"
            )
        said.append(f"{line}.")
    if not test and best.user_attrs["folder"] != DEFAULTS:
        said.append("What it is worth, rows tell that no trial has seen: --test TABLE.")
    if len(journal.finished()) < FEWEST:
        said.append(f"What the score depends on is told from {FEWEST} finished trials on.")
    return " ".join(said)
