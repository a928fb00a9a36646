"""What an exported graph is worth beside the model that it came from: size, latency, score."""

import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sensorium.data.batches import Rows
from sensorium.data.table import Table
from sensorium.evaluation.answers import outputs, scored
from sensorium.evaluation.by_group import COMPARED
from sensorium.export.onnx_graph import feed_of

if TYPE_CHECKING:
    import onnx

    from sensorium.predictor import Predictor

__all__ = ["SIZES", "compare_graph", "latency", "session_of"]

SIZES = (1, 32)  # rows at once
REPEATS, LONGEST = 50, 3.0  # of a measurement, and seconds after which it does
BATCH = 32


def session_of(graph: "onnx.ModelProto", threads: int | None = None) -> Any:
    """The graph in ONNX Runtime, on as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads() if threads is None else threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else it takes torch's turns from it
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def compare_graph(predictor: "Predictor", graph: "onnx.ModelProto", table: Table | None) -> dict[str, Any]:
    """Both beside each other.

    Args:
        predictor: what was exported.
        graph: of it.
        table: labelled rows that the model has not learned from; None: there is a size alone.

    Returns:
        {"bytes": {"torch", "onnx"}} and, with rows, "latency": by rows at once {"torch", "onnx"} in seconds, "scores": by
        target {"metric", "torch", "onnx"}, "difference": the largest between two outputs, "rows".
    """
    weights = sum(part.numel() * part.element_size() for part in predictor.model.state_dict().values())
    found: dict[str, Any] = {"bytes": {"torch": weights, "onnx": graph.ByteSize()}}
    if table is None or not len(table):
        return found
    rows, session = predictor._rows(table, lambda _: None, predictor.coders), session_of(graph)
    found |= {"latency": latency(predictor, session, rows), **_scores(predictor, session, rows), "rows": len(rows)}
    return found


def latency(predictor: "Predictor", session: Any, rows: Rows) -> dict[int, dict[str, float]]:
    """Median seconds from a batch's arrays to its answers, by rows at once; both take turns."""
    found = {}
    for size in SIZES:
        inputs = rows.batch(np.arange(size) % len(rows)).inputs
        feed = feed_of(inputs, predictor.readers)
        found[size] = {
            name: median(spent)
            for name, spent in _by_turns(
                {
                    "torch": lambda inputs=inputs: _answer(predictor, inputs),
                    "onnx": lambda feed=feed: session.run(None, feed),
                }
            ).items()
        }
    return found


def _by_turns(calls: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()  # what is made at the first call
    began = time.perf_counter()
    while len(next(iter(spent.values()))) < REPEATS and time.perf_counter() - began < LONGEST * len(calls):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            spent[name].append(time.perf_counter() - start)
    return spent


@torch.inference_mode()
def _answer(predictor: "Predictor", inputs: Any) -> dict[str, Any]:
    return predictor.model.eval()(inputs)


def _scores(predictor: "Predictor", session: Any, rows: Rows) -> dict[str, Any]:
    model, coders = predictor.model, predictor.coders
    before = {
        name: predictor.calibration[name].apply(coders[name].task, output)
        for name, output in outputs(model, rows, BATCH).items()
    }
    parts = [session.run(list(coders), feed_of(batch.inputs, predictor.readers)) for batch in rows.batches(BATCH)]
    found: dict[str, Any] = {"scores": {}, "difference": 0.0}
    for name, part in zip(coders, zip(*parts, strict=True), strict=True):
        coder, after = coders[name], np.concatenate(part)
        if coder.task == "regression":
            after = (after - coder.mean) / coder.scale
        found["difference"] = max(found["difference"], float(np.abs(after - before[name]).max()))
        if not rows.targets[name][1].any():
            continue
        metric = COMPARED[coder.task]
        torch_, onnx_ = (
            float(scored(coder, rows.targets[name], said, offsets=coder.offsets)[metric]["value"])
            for said in (before[name], after)
        )
        found["scores"][name] = {"metric": metric, "torch": torch_, "onnx": onnx_}
    return found
