"""A predictor as an ONNX graph, with all that reads its inputs beside it: `sensorium.runtime` answers rows with it."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.data.batches import Reader
from sensorium.data.media_readers import MediaReader
from sensorium.data.table import read_table, write_atomically
from sensorium.errors import ConfigError, DataError
from sensorium.export.archive import write_json
from sensorium.export.onnx_graph import LENGTHS, feed_of, installed, least_length, mask_names, trace
from sensorium.report.source import find_rows
from sensorium.runtime.folder import DESCRIPTION, FORMAT, GRAPH, checksum

if TYPE_CHECKING:
    import onnx

    from sensorium.predictor import Predictor

__all__ = ["export_onnx", "graph_of", "write_graph"]

REQUIREMENTS, REPORT = "requirements.txt", "report.json"
CALIBRATED = 256  # training rows that ranges of activations are learned from
MOST = 2**31  # bytes of a graph in one file
OF_KIND = {
    "audio": ("av", "pillow", "soundfile", "soxr"),
    "image": ("av", "pillow", "soundfile", "soxr"),
    "motion": ("av", "pillow", "soundfile", "soxr"),
    "text": ("tokenizers",),
    "video": ("av", "pillow", "soundfile", "soxr"),
}


def graph_of(predictor: "Predictor") -> "onnx.ModelProto":
    """The whole answer as one graph: network, linear part, single network and calibration.

    Raises:
        ConfigError: something of it can't be exported, named; a package is not installed.
    """
    installed()
    if not predictor.coders:
        raise ConfigError("this run was pretrained, without a target, and has no answers to export. Fit one from it.")
    for name, coder in predictor.coders.items():
        if coder.task == "generation":
            raise ConfigError(
                f"the head of the target '{name}' (Generation) can't be exported to ONNX: it writes a text token by "
                "token, which no single graph does."
            )
    size = sum(part.numel() * part.element_size() for part in predictor.model.state_dict().values())
    if size > MOST:
        raise ConfigError(
            f"a graph must be under 2 GB to be one file; the weights of this run have {size / 1e9:.1f} GB."
        )
    return trace(predictor.model, predictor.readers, predictor.coders, predictor.calibration)


def write_graph(
    folder: str | os.PathLike[str], predictor: "Predictor", graph: "onnx.ModelProto", precision: str = "float32"
) -> None:
    """Write model.onnx, model.json and requirements.txt.

    Raises:
        ConfigError: the folder already holds a model.
    """
    folder = Path(folder)
    if (folder / DESCRIPTION).exists():
        raise ConfigError(f"{folder} already holds an exported model. Export to another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / GRAPH, graph.SerializeToString())
    write_atomically(folder / REQUIREMENTS, ("\n".join(requirements(predictor.readers)) + "\n").encode())
    write_json(folder / DESCRIPTION, describe(predictor, checksum(folder / GRAPH), precision))


def describe(predictor: "Predictor", digest: str, precision: str) -> dict[str, Any]:
    """What model.json says."""
    masks, inputs = mask_names(predictor.readers), {}
    for name, reader in predictor.readers.items():
        inputs[name] = {
            "kind": reader.modality,
            "values": name,
            "mask": masks[name],
            "least": least_length(reader) if reader.modality in LENGTHS else 0,
            "state": reader.state(),
        }
        if isinstance(reader, MediaReader):
            inputs[name]["limits"] = asdict(reader.limits)
    outputs = {
        name: {"task": coder.task, "classes": coder.classes, "offsets": list(coder.offsets)}
        for name, coder in predictor.coders.items()
    }
    return {
        "format": FORMAT,
        "sensorium": version("sensorium"),
        "graph": {"file": GRAPH, "sha256": digest, "precision": precision},
        "inputs": inputs,
        "outputs": outputs,
    }


def requirements(readers: Mapping[str, Reader]) -> list[str]:
    """What `sensorium.runtime` needs for these inputs, in the versions that are installed here."""
    names = {"numpy", "onnxruntime"}
    for reader in readers.values():
        names.update(OF_KIND.get(reader.modality, ()))
        if "date" in getattr(reader, "kinds", {}).values():
            names.add("pandas")
    return [f"{name}=={version(name)}" for name in sorted(names)]


def export_onnx(
    predictor: "Predictor",
    folder: str | os.PathLike[str],
    quantization: str | None = None,
    half: bool = False,
    rows: Any = None,
    media_root: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Write a predictor's answer as a graph, and say what it is worth.

    Args:
        predictor: of a run with targets.
        folder: to write to; new.
        quantization: None, int8 or dynamic; see `sensorium.export.onnx_small.quantize`.
        half: keep the weights in 16 bits.
        rows: labelled rows to measure with; where left out, those that the run was validated with, if they are still
            there.
        media_root: where relative paths start.
        say: called with what is done.

    Returns:
        see `sensorium.export.onnx_report.compare_graph`.

    Raises:
        ConfigError: something can't be exported, named; a package is not installed; the folder holds a model.
        DataError: int8, and the training rows are not there any more.
    """
    folder = Path(folder)
    if (folder / DESCRIPTION).exists():
        raise ConfigError(f"{folder} already holds an exported model. Export to another folder.")
    if quantization is not None and half:
        raise ConfigError("--half can't go with --quantize: its weights have 8 bits already. Leave one of them out.")
    installed()
    from sensorium.export.onnx_report import compare_graph
    from sensorium.export.onnx_small import halve, quantize

    seen = _training_rows(predictor, say) if quantization == "int8" else []
    graph = graph_of(predictor)
    if quantization is not None:
        graph = quantize(graph, quantization, seen)
    elif half:
        graph = halve(graph)
    table = find_rows(predictor.run, "valid", say).table if rows is None else read_table(rows, media_root)
    found = compare_graph(predictor, graph, table)
    write_graph(folder, predictor, graph, quantization or ("float16" if half else "float32"))
    write_json(folder / REPORT, found)
    return found


def _training_rows(predictor: "Predictor", say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Feeds of some rows that the run learned from."""
    found = find_rows(predictor.run, "train", say)
    if found.table is None:
        raise DataError(
            "int8 needs rows that the run learned from, to see how large its activations are, and their table is "
            f"{found.why}. Put it back, or take --quantize dynamic, which needs none."
        )
    places = np.random.default_rng(0).permutation(len(found.table))[:CALIBRATED]
    rows = predictor._rows(found.table.take(np.sort(places)), say)
    return (feed_of(batch.inputs, predictor.readers) for batch in rows.batches(16))
