"""Models of one task side by side: how good, how large, how fast, and which are worth having."""

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from sensorium.data.full_row import full_row
from sensorium.data.table import Table
from sensorium.encoders.features import Input
from sensorium.evaluation.costs import costs
from sensorium.evaluation.metrics import MAIN
from sensorium.model import MultimodalModel
from sensorium.pictures.comparison_plot import comparison_plot
from sensorium.predictor import Predictor

__all__ = ["front_plot", "measured", "on_front"]

REPEATS = 15
BATCH = 32


def measured(predictors: Mapping[str, Predictor], table: Table) -> list[dict[str, Any]]:
    """A row for each model.

    Args:
        predictors: by name, of the same targets.
        table: labelled rows.

    Returns:
        model; metric, score, low, high of the first target on the rows; parameters; bytes of the weights; flops of a row;
        ms_1 and ms_32: milliseconds for one row and for 32, of the network alone with full rows of zeros; on_front.
    """
    rows = []
    for name, predictor in predictors.items():
        first, coder = next(iter(predictor.coders.items()))
        metric = MAIN[coder.task]
        key = metric if len(predictor.coders) == 1 else f"{first}.{metric}"
        score = predictor.evaluate(table)["metrics"][key]
        given = full_row(predictor.readers)
        rows.append(
            {
                "model": name,
                "metric": metric,
                "score": score["value"],
                "low": score["low"],
                "high": score["high"],
                "parameters": sum(part["parameters"] for part in predictor.parts()),
                "bytes": sum(value.nbytes for value in predictor.model.state_dict().values()),
                "flops": sum(part.flops for part in costs(predictor.model, given).values()),
            }
        )
    # In turns, so that whatever else the machine does meets all of them alike.
    for size in (1, BATCH):
        times: dict[str, list[float]] = {name: [] for name in predictors}
        for repeat in range(REPEATS + 1):
            for name, predictor in predictors.items():
                seconds = _seconds(predictor.model, _repeated(full_row(predictor.readers), size))
                if repeat:  # the first warms up
                    times[name].append(seconds)
        for row in rows:
            row[f"ms_{size}"] = 1000 * statistics.median(times[row["model"]])
    for row in rows:
        row["on_front"] = on_front(row, rows)
    return rows


def on_front(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no other is at least as good, as small and as fast, and better in one of them."""

    def better(other: Mapping[str, Any]) -> bool:
        pairs = [(other["score"], row["score"]), (-other["bytes"], -row["bytes"]), (-other["ms_1"], -row["ms_1"])]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    return not any(better(other) for other in rows)


def front_plot(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """The models' scores with intervals as SVG, smallest first, with size and time in their names."""
    shown = [
        {
            **row,
            "generation": "fit" if row["model"] == "teacher" else "network",
            "inputs": row["model"],
            "fusion": f"{row['bytes'] / 2**20:.2f} MiB, {row['ms_1']:.2g} ms",
            "standing": "winner" if row["on_front"] else None,
        }
        for row in sorted(rows, key=lambda row: row["bytes"])
    ]
    return comparison_plot(shown, title)


@torch.no_grad()
def _seconds(model: MultimodalModel, inputs: Mapping[str, Input]) -> float:
    model.eval()
    start = time.perf_counter()
    model(inputs)
    return time.perf_counter() - start


def _repeated(inputs: Mapping[str, Input], count: int) -> dict[str, Input]:
    """The same row so many times."""
    return {
        name: Input(
            given.values.expand(count, *given.values.shape[1:]).contiguous(),
            given.mask.expand(count, *given.mask.shape[1:]).contiguous(),
        )
        for name, given in inputs.items()
    }
