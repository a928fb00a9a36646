"""The article's Keras program beside examples/article: rows a second, memory, and seconds until it has learned.

    python benchmarks/article.py [--environment FOLDER] [--rows 640] [--epochs 6] [--threads 2] [--precision auto]

Both train the same network (12,002,945 parameters) on the same arrays, pictures of 224 x 224, in batches of 32. TensorFlow
is installed into an environment of its own (1 GB) at the first run. The two processes take turns, an epoch each, so that
whatever else the machine does falls on both. Seconds of the processors stand beside those of the wall, since they hardly
depend on that. Writes benchmarks/results/article.{json,md}; a run of other threads or precision is added to what is there.
"""

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "article"
RESULTS = HERE / "results" / "article.json"
TENSORFLOW = "tensorflow-cpu==2.21.0"
LEARNED = 0.9  # of the training rows answered right, over an epoch as it goes, which is what Keras shows
Epoch = dict[str, float]


def environment(folder: Path) -> Path:
    """The Python that has TensorFlow; it is made where it is not there yet."""
    python, made = folder / "bin" / "python", folder / "installed.txt"
    if not made.is_file() or made.read_text() != TENSORFLOW:
        print(f"--- installing {TENSORFLOW} into {folder}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", TENSORFLOW], check=True)
        made.write_text(TENSORFLOW)
    return python


class Side:
    """One of the two processes."""

    def __init__(self, name: str, python: Path | str, folder: Path, given: argparse.Namespace):
        command = [python, HERE / "article_side.py", name, folder, "--epochs", given.epochs, "--threads", given.threads]
        command += ["--config", EXAMPLE / "config.yaml", "--precision", given.precision]
        variables = {**os.environ, "OMP_NUM_THREADS": str(given.threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.name, self.epochs = name, []
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables
        )
        self._told()

    def _told(self) -> dict[str, Any]:
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self.name} stopped: exit code {self.process.wait()}.")

    def turn(self) -> None:
        """One epoch."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.epochs.append(self._told())
        found = self.epochs[-1]
        print(
            f"{self.name:9} epoch {len(self.epochs)}: {found['rows'] / found['seconds']:6.1f} rows/s, "
            f"{found['rows'] / found['cpu']:6.1f} a processor's second, accuracy {found['accuracy']:.3f}", flush=True
        )  # fmt: skip


def summary(epochs: list[Epoch]) -> dict[str, Any]:
    """Of one side: medians over the epochs but the first, in which things are compiled or measured."""
    later = epochs[1:]
    place = next((i for i, epoch in enumerate(epochs) if epoch["accuracy"] >= LEARNED), None)
    learned = None
    if place is not None:
        until = epochs[: place + 1]
        learned = {
            "epochs": place + 1,
            "seconds": sum(epoch["turn"] for epoch in until),
            "cpu": sum(epoch["turn_cpu"] for epoch in until),
        }
    return {
        "rate": statistics.median(epoch["rows"] / epoch["seconds"] for epoch in later),
        "cpu_rate": statistics.median(epoch["rows"] / epoch["cpu"] for epoch in later),
        "learned": learned,
        "accuracy": epochs[-1]["accuracy"],
        "peak": max(epoch["peak"] for epoch in epochs),
    }


def ratios(ours: list[Epoch], keras: list[Epoch], of: str) -> list[float]:
    """How many times as fast, epoch by epoch."""
    return [theirs[of] / own[of] for own, theirs in zip(ours[1:], keras[1:], strict=True)]


def lines(results: list[dict[str, Any]]) -> str:
    """The table of all runs."""
    out = [
        "# The article's network: its Keras program, and examples/article",
        "",
        "Medians over the epochs but the first. CPU: by the seconds of the processes' processors, which depend less on what",
        "else the machine does than those of the wall; the two take turns, an epoch each. Learned: until nine of ten training",
        "rows of an epoch were answered right, all that came before in it (compiling, measuring, validation, checkpoints).",
        "With more than one thread they contain the waiting of threads for each other, which is much where others use the",
        "processors, too: then one thread tells best what work there is.",
        f"{TENSORFLOW.replace('==', ' ')}. Repeat with `python benchmarks/article.py`.",
        "",
        "| threads | side | rows/s | rows a CPU second | learned: epochs, s, CPU s | last accuracy | peak memory (MB) |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in results:
        for name in ("keras", "sensorium"):
            found, asked = run[name], f" ({run['precision']})" if name == "sensorium" else ""
            learned = found["learned"]
            told = "no" if learned is None else f"{learned['epochs']}, {learned['seconds']:.0f}, {learned['cpu']:.0f}"
            out.append(
                f"| {run['threads']} | {name}{asked} | {found['rate']:.1f} | {found['cpu_rate']:.1f} | {told} "
                f"| {found['accuracy']:.3f} | {found['peak']:.0f} |"
            )
    out.append("")
    for run in results:
        wall, cpu = run["ratio"]["seconds"], run["ratio"]["cpu"]
        out.append(
            f"- {run['threads']} threads, precision {run['precision']}, {run['rows']} rows: "
            f"{statistics.median(wall):.2f} times Keras' rows a second ({min(wall):.2f} to {max(wall):.2f} in {len(wall)} "
            f"epochs), by CPU seconds {statistics.median(cpu):.2f} ({min(cpu):.2f} to {max(cpu):.2f})."
        )
    return "\n".join([*out, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--environment", type=Path, default=cache / "sensorium-benchmarks" / "tensorflow")
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--side", type=int, default=224, help="of the pictures, in pixels")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precision", choices=["auto", "32", "bf16"], default="auto")
    given = parser.parse_args()
    python = environment(given.environment)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, values in runpy.run_path(str(EXAMPLE / "train.py"))["arrays"](given.rows, given.side).items():
            np.save(folder / name, values if name == "label" else values.astype(np.float32))
        keras, ours = (Side(n, p, folder, given) for n, p in (("keras", python), ("sensorium", sys.executable)))
        for _ in range(given.epochs):
            keras.turn()
            ours.turn()
    run = {
        "threads": given.threads, "precision": given.precision, "rows": given.rows, "side": given.side,
        "keras": summary(keras.epochs), "sensorium": summary(ours.epochs),
        "ratio": {of: ratios(ours.epochs, keras.epochs, of) for of in ("seconds", "cpu")},
        "epochs": {"keras": keras.epochs, "sensorium": ours.epochs},
    }  # fmt: skip
    key = ("threads", "precision", "rows", "side")
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    kept = [old for old in before if [old[name] for name in key] != [run[name] for name in key]]
    results = sorted([*kept, run], key=lambda found: [str(found[name]) for name in key])
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(lines(results))


if __name__ == "__main__":
    main()
