"""What a comparison comes to: a table, a picture, a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sensorium.comparison.cells import Cell
from sensorium.comparison.held_out import Part
from sensorium.comparison.standing import Judge, in_words, standings
from sensorium.comparison.trials import Outcome
from sensorium.data.table import write_atomically, write_table
from sensorium.data.targets import CLASSED, TargetCoder
from sensorium.evaluation.alone import majority
from sensorium.evaluation.metrics import METRICS
from sensorium.export.archive import write_json
from sensorium.pictures.comparison_plot import comparison_plot

__all__ = ["Comparison", "conclude"]

COLUMNS = (
    "generation", "model", "inputs", "fusion", "score", "low", "high", "standing", "p", "seconds", "parameters",
    "validation", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Args:
        frame: a row a cell, best first: generation, model, inputs, fusion, score with low and high (95 %), standing
            (winner, best, no worse, or empty: worse), p (against the best, Holm's), seconds, parameters, note, and the
            other metrics. Cells without a score come last, with the reason as their note.
        winner: the row of `frame` that is better than every other, as a dict; None where there is none.
        sentence: the same in words, and whether fusion pays.
        metric: that decides.
        majority: its value for always the same answer.
        rows: that were answered.
        warnings: what is to be said of the rows.
    """

    frame: pd.DataFrame
    winner: dict[str, Any] | None
    sentence: str
    metric: str
    majority: float | None
    rows: int
    warnings: list[str]


def conclude(
    judge: Judge,
    parts: Sequence[Part],
    outcomes: Sequence[Outcome],
    failed: Mapping[Cell, str],
    warnings: list[str],
    folder: Path,
) -> Comparison:
    """Score all, and write what there is to see.

    Args:
        judge: of the outcomes.
        parts: whose held-out rows were answered.
        outcomes: of the finished cells.
        failed: why the others have none.
        warnings: to be kept.
        folder: to write to.
    """
    coder, truth = judge.coder, judge.truth
    found = standings(judge, outcomes)
    rows = []
    for outcome in outcomes:
        scores = judge.scores(outcome)
        standing, p = found[outcome.cell]
        note = "; ".join(filter(None, ["cut short" * outcome.cut, outcome.note]))
        timed = {
            "seconds": outcome.seconds,
            "parameters": outcome.parameters,
            "validation": outcome.valid,
            "note": note,
        }
        ends = {end: scores.pop(end) for end in ("low", "high")}
        rows.append(_cell(outcome.cell, scores[judge.metric]) | ends | {"standing": standing, "p": p} | timed | scores)
    rows.sort(key=lambda row: -row["score"])
    rows += [_cell(cell) | {"note": reason} for cell, reason in failed.items()]
    frame = pd.DataFrame(rows).reindex(columns=[*COLUMNS, *(n for n in METRICS[coder.task] if outcomes)])
    codes = (truth - coder.mean) / coder.scale if coder.task == "regression" else truth
    always = majority(coder, (codes, np.ones(len(truth), dtype=bool))).get(judge.metric, {}).get("value")
    winner = next((row for row in rows if row.get("standing") == "winner"), None)
    comparison = Comparison(frame, winner, in_words(judge, outcomes, found), judge.metric, always, len(truth), warnings)
    told = {"target": coder.name, "task": coder.task, "metric": judge.metric, "rows": len(truth)}
    told |= {"majority": always, "winner": winner, "sentence": comparison.sentence, "warnings": warnings, "cells": rows}
    write_table(frame, folder / "comparison.csv")
    write_table(_answers(coder, parts, truth, outcomes), folder / "answers.csv")
    title = f"{coder.name}: {judge.metric} on {len(truth)} held-out rows, with 95 % intervals"
    write_atomically(folder / "comparison.svg", comparison_plot(rows, title, always).encode())
    write_json(folder / "comparison.json", told)
    return comparison


def _cell(cell: Cell, score: float | None = None) -> dict[str, Any]:
    inputs = " + ".join(cell.inputs)
    about = {"generation": cell.generation, "model": cell.model, "inputs": inputs, "fusion": cell.fusion}
    return about if score is None else about | {"score": score}


def _answers(coder: TargetCoder, parts: Sequence[Part], truth: np.ndarray, outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """The true answer of each held-out row and each cell's (of the first seed), a column a cell."""
    places = [(fold + 1, part.held.number(row)) for fold, part in enumerate(parts) for row in range(len(part.held))]
    columns: dict[str, Any] = {"row": [row for _, row in places]}
    if len(parts) > 1:
        columns["fold"] = [fold for fold, _ in places]
    names = np.asarray(coder.classes, dtype=object)
    columns[f"true {coder.name}"] = names[truth.astype(int)] if coder.task in CLASSED else _written(coder, truth)
    for outcome in outcomes:
        said = outcome.output[0]
        columns[outcome.cell.name] = names[outcome.answers[0]] if coder.task in CLASSED else _written(coder, said)
    return pd.DataFrame(columns)


def _written(coder: TargetCoder, said: np.ndarray) -> Any:
    """Numbers as they are; labels as text."""
    return said if coder.task == "regression" else coder.decode(said)
