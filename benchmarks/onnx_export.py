"""A run as an ONNX graph beside the run itself: size, latency, score; and what the torch-free runtime takes to install.

    python benchmarks/onnx_export.py --data FOLDER [--seconds 220] [--runs FOLDER]

FOLDER holds digits, with train.csv, valid.csv and test.csv; without it nothing is measured. Two runs learn spoken digits from
a noisy recording and a faint picture: one by convolutions, one by Transformers. Each is exported in 32 bits, with weights in
16 bits, and quantised both ways. One thread; latencies are medians, from a batch's arrays to its answers, torch and ONNX
Runtime in turns. Writes benchmarks/results/onnx.{json,md}.
"""

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import warnings
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from packaging.requirements import Requirement

import sensorium as sm
from sensorium.data.table import read_table
from sensorium.export.onnx import _training_rows, graph_of, requirements
from sensorium.export.onnx_report import compare_graph
from sensorium.export.onnx_small import halve, quantize

RESULTS = Path(__file__).parent / "results"
ENCODERS = {
    "convolutions": {"audio_noisy": {"type": "mfcc_cnn"}, "image_weak": {"type": "cnn"}},
    "Transformers": {"audio_noisy": {"type": "logmel_transformer"}, "image_weak": {"type": "vit", "patch_size": 7}},
}
KINDS = ("float32", "half", "dynamic", "int8")


def fit(folder: Path, kind: str, seconds: float, out: Path) -> sm.Predictor:
    """A run on digits that took so long."""
    inputs: dict[str, Any] = {
        name: {"modality": name.partition("_")[0], "encoder": encoder} for name, encoder in ENCODERS[kind].items()
    }
    inputs["image_weak"]["size"] = 28
    return sm.fit(
        folder / "train.csv", "digit", valid=folder / "valid.csv", out=out, time_limit=seconds, epochs=40, probes=False,
        threads=1, precision="32", config={"inputs": inputs, "fusion": {"type": "gated", "width": 128}},
    )  # fmt: skip


def measure(folder: Path, kind: str, seconds: float, runs: Path) -> list[dict[str, Any]]:
    """Every export of one run, on the test rows; a run that is there already is taken."""
    run = runs / kind
    predictor = sm.load(run) if (run / "run.json").exists() else fit(folder, kind, seconds, run)
    graph, table, found = graph_of(predictor), read_table(folder / "test.csv"), []
    for name in KINDS:
        if name == "float32":
            made = graph
        elif name == "half":
            made = halve(graph)
        else:
            made = quantize(graph, name, _training_rows(predictor, print) if name == "int8" else ())
        found.append({"encoders": kind, "export": name, **compare_graph(predictor, made, table)})
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    return found


def installed_size(names: list[str]) -> float:
    """Megabytes of packages and all that they need, as they lie here."""
    seen: dict[str, float] = {}
    wanted = list(names)
    while wanted:
        need = Requirement(wanted.pop())
        key = need.name.lower().replace("_", "-")
        if key in seen or (need.marker is not None and not need.marker.evaluate({"extra": ""})):
            continue
        try:
            found = distribution(need.name)
        except PackageNotFoundError:
            continue
        files = (Path(found.locate_file(file)) for file in found.files or ())
        seen[key] = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
        wanted += found.requires or []
    return sum(seen.values())


def sizes() -> dict[str, float]:
    """Of the whole of sensorium, of torch in it, and of what a graph that reads files and texts needs."""
    readers = {"audio": argparse.Namespace(modality="audio"), "text": argparse.Namespace(modality="text")}
    whole = {name: installed_size([name]) for name in ("sensorium", "torch")}
    return whole | {"runtime": installed_size(requirements(readers))}


def lines(found: list[dict[str, Any]]) -> str:
    rows = [
        "| encoders | export | MB (torch) | 1 row, ms (torch) | x | 32 rows, ms (torch) | x | accuracy (torch) | difference |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in found:
        size, score = one["bytes"], one["scores"]["digit"]
        cells = [one["encoders"], one["export"], f"{size['onnx'] / 1e6:.2f} ({size['torch'] / 1e6:.2f})"]
        for rows_at_once in (1, 32):
            spent = one["latency"][rows_at_once]
            cells.append(f"{spent['onnx'] * 1e3:.1f} ({spent['torch'] * 1e3:.1f})")
            cells.append(f"{spent['torch'] / spent['onnx']:.1f}")
        cells += [f"{score['onnx']:.3f} ({score['torch']:.3f})", f"{one['difference']:.1e}"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=220, help="for each fit")
    parser.add_argument("--runs", type=Path, help="a folder to keep the runs in; those that are there are taken")
    given = parser.parse_args()
    folder = given.data / "digits"
    if not (folder / "test.csv").exists():
        sys.exit(f"{folder} has no test.csv: nothing is measured.")
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        runs = given.runs or Path(place)
        found = [one for kind in ENCODERS for one in measure(folder, kind, given.seconds, runs)]
    install = sizes()
    about = {name: version(name) for name in ("torch", "onnxruntime", "onnxscript")}
    about |= {"python": platform.python_version(), "machine": platform.machine()}
    data = {"versions": about, "seconds": given.seconds, "results": found, "megabytes": install}
    (RESULTS / "onnx.json").write_text(json.dumps(data, indent=1) + "\n")
    text = (
        "# ONNX graphs beside their runs\n\n"
        f"`python benchmarks/onnx_export.py --data FOLDER --seconds {given.seconds:g}`: spoken digits from a noisy recording and a "
        "faint picture; one thread, arrays to answers, medians, torch in 32 bits and ONNX "
        f"Runtime in turns; accuracy on {found[0]['rows']} rows; difference: the largest of a probability. x: torch's time "
        f"by ours. torch {about['torch']}, onnxruntime {about['onnxruntime']}, {about['machine']}.\n\n{lines(found)}\n\n"
        f"Installed, with all that it needs: sensorium {install['sensorium']:.0f} MB, of which {install['torch']:.0f} MB are "
        f"torch; the runtime for pictures, sounds and texts {install['runtime']:.0f} MB.\n"
    )
    (RESULTS / "onnx.md").write_text(text)


if __name__ == "__main__":
    main()
