"""Asks a model about all rows of a table: what it goes by, and which rows are worth a look."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sensorium.data.batches import Rows
from sensorium.data.targets import TargetCoder
from sensorium.errors import ConfigError
from sensorium.evaluation.calibration import Calibration
from sensorium.explain.label_errors import label_errors
from sensorium.explain.overview import Overview
from sensorium.explain.rows import alone_and_without, decoded, spelled
from sensorium.explain.shapley import pairs_of, shares_of_present
from sensorium.explain.subsets import Answers, answers_of_subsets, subsets
from sensorium.model import MultimodalModel

__all__ = ["loss", "survey"]

AGAINST = 0.1  # of what the inputs add; less than that goes the other way in nearly every row
MOST_ROWS = 10_000  # a share of rows is then known to a hundredth
RESAMPLES = 1000


def survey(
    model: MultimodalModel,
    rows: Rows,
    coder: TargetCoder,
    calibration: Calibration,
    batch_size: int,
    seed: int = 0,
    out_of_fold: pd.DataFrame | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Overview:
    """What all rows of a table tell, or of more than 10,000 so many, drawn by `seed`.

    Args:
        model: trained.
        rows: read by the model's readers.
        coder, calibration: of the target.
        batch_size: rows at once.
        seed: of the rows and the intervals.
        out_of_fold: of the run, where the rows are those that it learned from; likely label errors are told by it.
        say: called where likely label errors can't be told.
    """
    coalitions, names = subsets(model.modalities, seed), model.modalities
    order = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS])
    truth, known = (None, None) if coder.name not in rows.table.columns else coder.truth(rows.table.cells(coder.name))
    parts: dict[str, list[Any]] = {}
    for told in answers_of_subsets(model, rows, coder, calibration, coalitions, batch_size, order=order):
        singles, pairs = shares_of_present(coalitions, told.number, told.present)
        worth = np.full(singles.shape, np.nan)
        if truth is not None and (there := known[told.places]).any():
            lost = loss(coder.task, truth[told.places[there]], told.outputs[:, there])
            worth[:, there] = -shares_of_present(coalitions, lost, told.present[there])[0]
        alone, without = alone_and_without(coder, coalitions, told)
        batch = {
            "number": [rows.table.number(place) for place in told.places.tolist()],
            "present": told.present,
            "single": singles.T,
            "pair": pairs.T,
            "worth": worth.T,
            "answer": np.array(decoded(coder, told.outputs[-1]), dtype=object),
            "probability": _probability(coder, told),
            "output": told.outputs[-1],
            "alone": alone.T,
            "without": without.T,
        }
        for key, values in batch.items():
            parts.setdefault(key, []).append(np.asarray(values))
    found = {key: np.concatenate(values) for key, values in parts.items()}
    error = coder.scale if calibration.deviation is None else calibration.deviation
    tolerance = error if coder.task == "regression" else None
    named, wrong = [None] * len(order), None
    if truth is not None:
        named = spelled(coder, truth[order], known[order])
        wrong = _label_errors(coder, found, truth[order], known[order], out_of_fold, say)
    return Overview(
        target=coder.name,
        of=len(rows),
        exact=coalitions.exact,
        importance=_importance(names, found, seed),
        pairs=_pairs(names, found),
        answers=_answers(names, found, named),
        **_looks(names, found, tolerance),
        label_errors=wrong,
        tolerance=tolerance,
    )


def loss(task: str, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """What each answer costs: (S, B) of outputs (S, B) or (S, B, K).

    Of classes -log p of the true one, of labels its mean over them, of numbers the square of the error.

    Example:
        >>> loss("regression", np.array([1.0]), np.array([[3.0]]))
        array([[4.]])
    """
    if task == "regression":
        return (outputs.astype(np.float64) - truth) ** 2
    shares = np.clip(outputs.astype(np.float64), 1e-12, 1 - 1e-12)
    if task == "multilabel":
        return -np.where(truth > 0.5, np.log(shares), np.log1p(-shares)).mean(2)
    return -np.log(np.take_along_axis(shares, truth.astype(int)[None, :, None], 2))[..., 0]


def _probability(coder: TargetCoder, told: Answers) -> np.ndarray:
    if coder.task == "regression":
        return np.full(len(told.places), np.nan)
    return np.take_along_axis(told.outputs[-1], told.explained[:, None], 1)[:, 0]


def _importance(names: Sequence[str], found: dict[str, np.ndarray], seed: int) -> pd.DataFrame:
    sizes, worth = np.abs(found["single"]), found["worth"]
    worth = worth[np.isfinite(worth).all(1)]
    size, low, high = _interval(sizes, seed)
    value, worth_low, worth_high = _interval(worth, seed)
    return pd.DataFrame(
        {
            "input": list(names), "present": found["present"].mean(0), "size": size, "low": low, "high": high,
            "worth": value, "worth_low": worth_low, "worth_high": worth_high,
        }
    )  # fmt: skip


def _interval(values: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over rows and their 95 % percentile bootstrap intervals, of (N, M); NaN of no rows."""
    if not len(values):
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing, nothing
    random = np.random.default_rng(seed)
    drawn = [values[random.integers(0, len(values), len(values))].mean(0) for _ in range(RESAMPLES)]
    return values.mean(0), *np.quantile(drawn, [0.025, 0.975], axis=0)


def _pairs(names: Sequence[str], found: dict[str, np.ndarray]) -> pd.DataFrame:
    rows = []
    for place, (a, b) in enumerate(pairs_of(len(names))):
        values = found["pair"][:, place]
        values = values[np.isfinite(values)]
        mean, size = (float(values.mean()), float(np.abs(values).mean())) if len(values) else (np.nan, np.nan)
        rows.append([names[a], names[b], len(values), mean, size])
    return pd.DataFrame(rows, columns=["first", "second", "rows", "mean", "size"])


def _answers(names: Sequence[str], found: dict[str, np.ndarray], truth: Sequence[Any]) -> pd.DataFrame:
    missing = [[name for name, has in zip(names, row, strict=True) if not has] for row in found["present"]]
    frame = pd.DataFrame({"row": found["number"], "answer": found["answer"]}).infer_objects()
    frame["probability"], frame["truth"] = found["probability"], pd.Series(truth, dtype=object)
    frame["missing"] = missing
    values = pd.DataFrame(found["single"], columns=[f"adds_{name}" for name in names])
    return pd.concat([frame, values], axis=1)


def _looks(names: Sequence[str], found: dict[str, np.ndarray], tolerance: float | None) -> dict[str, pd.DataFrame]:
    """The rows that are worth a look: `alone`, `disagreements` and `turns` of an Overview."""

    def other(first: Any, second: Any) -> bool:
        return first != second if tolerance is None else abs(first - second) > tolerance

    alone, disagreements, turns = [], [], []
    for i, number in enumerate(found["number"].tolist()):
        there, answer = np.flatnonzero(found["present"][i]).tolist(), found["answer"][i]
        if len(there) < 2:
            continue
        turned = [m for m in there if other(answer, found["without"][i, m])]
        turns.extend([number, names[m], answer, found["without"][i, m]] for m in turned)
        if len(turned) == 1 and not other(answer, found["alone"][i, turned[0]]):
            alone.append([number, names[turned[0]], answer])
        values, says = found["single"][i], found["alone"][i]
        pro, contra = ([m for m in there if sign * values[m] > 0] for sign in (1, -1))
        pull = min(values[pro].sum(), -values[contra].sum()) / (np.abs(values).sum() or 1.0)
        if pull >= AGAINST and any(other(says[m], says[n]) for m in pro for n in contra):
            disagreements.append([number, answer, {names[m]: says[m] for m in there}, float(pull)])
    disagreements.sort(key=lambda row: -row[-1])
    return {
        "alone": pd.DataFrame(alone, columns=["row", "input", "answer"]),
        "disagreements": pd.DataFrame(disagreements, columns=["row", "answer", "says", "pull"]),
        "turns": pd.DataFrame(turns, columns=["row", "input", "answer", "without"]),
    }


def _label_errors(
    coder: TargetCoder,
    found: dict[str, np.ndarray],
    truth: np.ndarray,
    there: np.ndarray,
    out_of_fold: pd.DataFrame | None,
    say: Callable[[str], None],
) -> pd.DataFrame | None:
    """Of rows that have a truth `there`; see Overview."""
    numbers, answers, outputs = found["number"], found["answer"], found["output"]
    if out_of_fold is not None:
        told = out_of_fold.set_index("row").reindex(numbers)
        columns = [f"{coder.name}_{name}" for name in coder.classes]
        outputs = told.reindex(columns=columns, fill_value=0.0).to_numpy(dtype=np.float64)
        answers, there = told[coder.name].to_numpy(), there & np.isfinite(outputs).all(1)
    if not coder.classes or not there.any():
        return None
    try:
        places, quality = label_errors(coder, truth[there], outputs[there])
    except ConfigError as error:
        say(str(error))
        return None
    labels, suggested, numbers = spelled(coder, truth[there], there[there]), answers[there], numbers[there]
    rows = [[numbers[place], labels[place], suggested[place], quality[place]] for place in places]
    return pd.DataFrame(rows, columns=["row", "label", "suggested", "quality"])
