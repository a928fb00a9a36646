"""All that a report shows, computed once by the rooms that know how."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sensorium.data.audit import audit
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder
from sensorium.errors import ConfigError
from sensorium.evaluation.alone import majority
from sensorium.report.chosen import Chosen, choose
from sensorium.report.source import Found, find_rows

if TYPE_CHECKING:
    from sensorium.explain.overview import Overview
    from sensorium.predictor import Predictor

__all__ = ["Facts", "Said", "gather"]

AUDITED = 2000  # rows whose files are opened to look for duplicates and leaks, evenly spread


@dataclass(frozen=True)
class Said:
    """What the model said of the rows whose truth is known.

    Args:
        coder: of the target.
        rows: their numbers in the table (N,).
        truth: class numbers (N,), labels (N, K), or numbers in the target's own unit (N,).
        answer: what was answered, in the same codes.
        shares: calibrated probabilities (N, K); None for numbers.
        majority: the metrics of always the same answer.
    """

    coder: TargetCoder
    rows: np.ndarray
    truth: np.ndarray
    answer: np.ndarray
    shares: np.ndarray | None
    majority: dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """What is known of a run, and of rows that it answered.

    Args:
        predictor: the run.
        title: its name.
        given: whether the rows were given, and are not those that the run was validated with.
        found: the rows, or why there are none.
        scores: of `Predictor.evaluate`; None without rows.
        unread: cells of the rows that could not be used, see `Problems.frame`; None without rows.
        said: by target, of those with classes, labels or numbers.
        robustness: of `Predictor.robustness`; None without rows.
        overviews: of `Predictor.overview`, by target.
        chosen: rows worth a look, explained.
        notes: what could not be done, and why.
        audited: of `audit`, of the rows that were learned from; None where they are gone.
        single_rows: whether rows may be shown with what is in them.
    """

    predictor: "Predictor"
    title: str
    given: bool
    found: Found
    scores: dict[str, Any] | None = None
    unread: pd.DataFrame | None = None
    said: dict[str, Said] = field(default_factory=dict)
    robustness: dict[str, Any] | None = None
    overviews: "dict[str, Overview]" = field(default_factory=dict)
    chosen: list[Chosen] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    audited: dict[str, Any] | None = None
    single_rows: bool = True


def gather(
    predictor: "Predictor",
    table: Table | None,
    title: str,
    time_limit: float,
    seed: int,
    say: Callable[[str], None],
    single_rows: bool = True,
) -> Facts:
    """Ask the model whatever the report needs.

    Args:
        predictor: a run.
        table: rows to report on; None: those that the run was validated with, where they are still there.
        title: of the page.
        time_limit: seconds for the robustness, which takes fewer rows then.
        seed: of what is drawn.
        say: called with warnings.
        single_rows: whether rows may be shown with what is in them.
    """
    given, say = table is not None, _once(say)
    found = Found(table) if given else find_rows(predictor.run, "valid", say)
    audited = _audited(predictor)
    facts = Facts(predictor, title, given, found, audited=audited, single_rows=single_rows)
    if found.table is None:
        return facts
    # The linear part has learned from the validation rows since: they are answered as when they were scored.
    with nullcontext() if given else predictor.model.as_measured():
        return replace(facts, **_asked(predictor, found.table, time_limit, seed, say, single_rows))


def _asked(
    predictor: "Predictor",
    table: Table,
    time_limit: float,
    seed: int,
    say: Callable[[str], None],
    single_rows: bool,
) -> dict[str, Any]:
    """The fields of Facts that answers to rows fill."""
    notes: list[str] = []
    say(f"scoring {len(table)} rows.")
    scores = predictor.evaluate(table, say=say)
    unread = predictor.problems.frame()
    if not predictor.coders:
        return {"scores": scores, "unread": unread}
    said = _said(predictor, table)
    say("leaving out inputs, and damaging them.")
    robustness = predictor.robustness(table, seed=seed, time_limit=time_limit, say=say)
    overviews, chosen = {}, []
    for name, coder in predictor.coders.items():
        if coder.outputs:
            say(f"explaining '{name}'.")
            overviews[name] = predictor.overview(table, name, seed=seed, say=say)
    if overviews and single_rows:
        name, overview = next(iter(overviews.items()))
        try:
            chosen = choose(predictor, table, name, overview)
        except ConfigError as error:  # a library that is not installed: what is inside the inputs stays untold
            notes.append(str(error))
            chosen = choose(predictor, table, name, overview, parts=False)
    return {
        "scores": scores, "unread": unread, "said": said, "robustness": robustness, "overviews": overviews,
        "chosen": chosen, "notes": notes,
    }  # fmt: skip


def _once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Says each line once: a file that can't be read is met in every pass over the rows."""
    told: set[str] = set()

    def line(text: str) -> None:
        if text not in told:
            told.add(text)
            say(text)

    return line


def _audited(predictor: "Predictor") -> dict[str, Any] | None:
    learned = find_rows(predictor.run, "train").table
    if learned is None:
        return None
    if len(learned) > AUDITED:
        learned = learned.take(np.linspace(0, len(learned) - 1, AUDITED).astype(int))
    return audit(learned, predictor.schema, [name for name in predictor.coders if name in learned.columns])


def _said(predictor: "Predictor", table: Table) -> dict[str, Said]:
    """What `Predictor.answers` says, as numbers, beside the truth."""
    answers, place, told = predictor.answers(table), 0, {}
    for name, coder in predictor.coders.items():
        own, shares = answers.iloc[:, place], answers.iloc[:, place + 1 : place + 1 + len(coder.classes)]
        place += 1 + len(coder.classes)
        truth, known = coder.truth(table.cells(name))
        if not coder.outputs or not known.any():
            continue
        rows = np.array([table.number(row) for row in range(len(table))])[known]
        base = majority(coder, (truth, known))
        if coder.task == "regression":
            numbers = coder.decode_numbers(truth[known])
            told[name] = Said(coder, rows, numbers, own.to_numpy(float)[known], None, base)
            continue
        said = shares.to_numpy(float)[known]
        if coder.task == "multilabel":
            told[name] = Said(coder, rows, truth[known], (said > 0.5).astype(int), said, base)
            continue
        places = {label: number for number, label in enumerate(coder.classes)}
        codes = np.array([places[label] for label in own], dtype=int)[known]
        told[name] = Said(coder, rows, truth[known].astype(int), codes, said, base)
    return told
