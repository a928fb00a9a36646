"""K folds: as many models, each of which answers the rows that it was kept from."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from sensorium.build import build_loader
from sensorium.config import Config
from sensorium.data.groups import row_names
from sensorium.data.schema import Schema
from sensorium.data.split import fold_rows
from sensorium.data.table import Table, write_table
from sensorium.data.targets import fit_target
from sensorium.errors import ConfigError
from sensorium.export.archive import read_json, write_json
from sensorium.training.domain import of_domain
from sensorium.training.fit import Fitted, run_fit
from sensorium.training.labels import has_target
from sensorium.training.parts import Report, part_of
from sensorium.training.sides import groups_of
from sensorium.training.start import Start

__all__ = ["folds_of", "over_folds", "run_folds"]

Say = Callable[[str], None]


def run_folds(
    table: Table,
    config: Config,
    schema: Schema,
    folder: Path,
    resume: bool,
    say: Say,
    report: Report,
    predictor: Callable[..., Any],
    start: Start | None = None,
    unlabelled: Table | None = None,
) -> Fitted:
    """A fit on all rows, with `out_of_fold` answers and `metrics["folds"]` of `config.split.folds` more.

    Of `folds: each` one value of `split.by` is kept out at a time, and `metrics["folds"]["held"]` says which and how many
    rows, in the order of the metrics' values.

    A fold's model chooses its epoch by a valid share of the rows that it learns from, so that the rows it answers have
    had no part in it. The model that is returned is one more, fitted to all rows as without folds. The folds' scores
    are therefore not its own, but of models that learned from fewer rows. The time limit is for all fits together.

    Args:
        table, config, schema, resume, say, report: as `run_fit` takes them.
        folder: for checkpoints and for the answers of folds that are done, which are not trained again on resuming.
        predictor: the class `Predictor`, whose room knows of this one.
        start, unlabelled: as `run_fit` takes them.

    Raises:
        DataError: too few rows, groups or rows of a class.
        ConfigError: a target is called row or fold.
    """
    started = time.monotonic()
    if taken := {"fold", "row"} & set(config.targets):
        raise ConfigError(f"target '{min(taken)}' would be two columns of out_of_fold.csv. Rename it in the table.")
    column, by = config.domain.column, config.split.by
    whole, table = table, table.take(np.flatnonzero(has_target(table, config) | of_domain(table, column)))
    labelled, folds = has_target(table, config), folds_of(table, config)
    count = int(folds.max()) + 1
    groups = np.array(row_names(table, by)) if by is not None else np.arange(len(table))
    limit, told = config.training.time_limit, set()

    def options(fits_left: int, **more: Any) -> Config:
        left = None if limit is None else max(1.0, (limit - (time.monotonic() - started)) / fits_left)
        return config.model_copy(update={"training": config.training.model_copy(update={"time_limit": left, **more})})

    for fold in range(count):
        words = f"fold {fold + 1} of {count}"
        if config.split.folds == "each":
            words += f", without '{' + '.join(_held(groups[labelled & (folds == fold)])['values'])}'"
        done = folder / f"fold-{fold + 1}.json"
        if not done.exists():
            chosen = options(count + 1 - fold, probes=False)
            if len(np.unique(groups[labelled & (folds != fold)])) < 2:  # nothing but single rows can validate
                chosen = chosen.model_copy(update={"split": chosen.split.model_copy(update={"by": None})})
            rest = table.take(np.flatnonzero(folds != fold))
            held = table.take(np.flatnonzero((folds == fold) & labelled))
            checkpoints = folder / f"fold-{fold + 1}"
            parted = part_of(report, words)
            fitted = run_fit(rest, None, chosen, schema, checkpoints, resume, _nothing, parted, start, unlabelled)
            model = predictor(chosen, schema, *fitted)
            answers = model.answers(held)
            answers.insert(0, "fold", fold + 1)
            answers.insert(0, "row", [held.number(row) for row in range(len(held))])
            write_table(answers, done.with_suffix(".parquet"))
            found = {name: score["value"] for name, score in model.evaluate(held)["metrics"].items()}
            write_json(done, {"metrics": found, "warnings": fitted.metrics["warnings"]})
            shutil.rmtree(checkpoints)
        first = next(iter(read_json(done)["metrics"].items()), None)
        say(f"{words}: done" + (f"; {first[0]} {first[1]:.3f}." if first else "."))
        for warning in read_json(done)["warnings"]:
            if warning not in told:
                told.add(warning)
                say(f"warning: {words}: {warning}")
    seconds = time.monotonic() - started
    say("a model of all rows:")
    parted = part_of(report, "all rows")
    fitted = run_fit(whole, None, options(1), schema, folder / "all", resume, say, parted, start, unlabelled)
    answers = pd.concat([pd.read_parquet(folder / f"fold-{fold + 1}.parquet") for fold in range(count)])
    numbers = answers.select_dtypes("number").columns
    answers[numbers] = answers[numbers].fillna(0)  # a label that a fold's model never saw
    scores = [read_json(folder / f"fold-{fold + 1}.json")["metrics"] for fold in range(count)]
    timed = fitted.metrics["seconds"]
    timed = {**timed, "folds": seconds, "total": timed["total"] + seconds}
    told_of = {"count": count, "metrics": over_folds(scores)}
    if config.split.folds == "each":
        told_of["held"] = [_held(groups[labelled & (folds == fold)]) for fold in range(count)]
    metrics = {**fitted.metrics, "folds": told_of, "seconds": timed}
    return fitted._replace(metrics=metrics, out_of_fold=answers.sort_values("row", ignore_index=True))


def _held(names: np.ndarray) -> dict[str, Any]:
    """The values of `split.by` that a fold holds, one but where files join them, and its rows."""
    return {"values": sorted(set(names.tolist())), "rows": len(names)}


def over_folds(scores: list[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Each metric's values by fold (None where a fold's rows don't define it), mean, spread and 95 % interval.

    The spread is the standard deviation over folds. The interval is Student's, of the mean of values that are taken for
    independent; folds share most of the rows they learn from, so that it is rather too narrow.

    Reference: Bengio and Grandvalet 2004, No Unbiased Estimator of the Variance of K-Fold Cross-Validation.
    """
    found = {}
    for name in dict.fromkeys(name for score in scores for name in score):
        values = [score.get(name) for score in scores]
        there = np.array([value for value in values if value is not None])
        about: dict[str, Any] = {
            "values": values,
            "mean": float(there.mean()),
            "spread": None,
            "low": None,
            "high": None,
        }
        if len(there) > 1:
            spread = float(there.std(ddof=1))
            half = float(student.ppf(0.975, len(there) - 1)) * spread / len(there) ** 0.5
            about |= {"spread": spread, "low": about["mean"] - half, "high": about["mean"] + half}
        found[name] = about
    return found


def folds_of(table: Table, config: Config) -> np.ndarray:
    """The fold of each row, from 0; -1 for rows without the first target that every model may learn from."""
    name, target = next(iter(config.targets.items()))
    coder = fit_target(name, table.cells(name), target.task)
    codes, mask = coder.encode(table.cells(name))
    groups = groups_of(table, config, build_loader(config), [])  # what is to be said of them, the fit on all rows says
    known = np.flatnonzero(mask)
    own = None if groups is None else groups[known]
    folds = np.full(len(table), -1)
    folds[known] = fold_rows(codes[known], coder, config.split.folds, config.training.seed, own)
    if groups is not None:  # rows with other targets only go with their groups
        of = np.full(groups.max() + 1, -1)
        of[own] = folds[known]
        folds = of[groups]
    return folds


def _nothing(_: str) -> None:
    """A fold's lines are those of the fit on all rows, once more."""
