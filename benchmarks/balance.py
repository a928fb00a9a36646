"""What each method of modality balance does, on planted tables in which one input starves another, and in which none does.

    python benchmarks/balance.py [--seeds 3] [--tasks starved ...] [--methods none auto ...]

Every fit is `sensorium.fit`, without the linear model beside the network, on the same table with the same encoders,
fusion and number of epochs, scored on fresh rows. Beside the methods: a fit of each input alone. One thread; seconds are
processor time. Writes benchmarks/results/balance.{json,md} when all tasks and methods are asked for.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np

from sensorium.config import Balance

RESULTS = Path(__file__).parent / "results"
METHODS = ("none", *sorted(set(get_args(Balance.model_fields["method"].annotation)) - {"none"}))
ROWS = {"train": 600, "valid": 300, "test": 4000}
EPOCHS, BATCH, WIDTH = 30, 32, 64


def starved(rows: int, random: np.random.Generator) -> dict[str, Any]:
    """a: 200 numbers, of which 8 tell the answer a little and the rest let 600 rows be learned by heart. b: 6 numbers;
    whether the first two have the same sign is the answer, but for one row in twenty: more, but slower to learn."""
    b = random.normal(size=(rows, 6))
    yes = (b[:, 0] * b[:, 1] > 0) ^ (random.random(rows) < 0.05)
    a = random.normal(size=(rows, 200))
    a[:, :8] += 0.25 * np.where(yes, 1, -1)[:, None]
    return {"a": a, "b": b, "label": np.where(yes, "yes", "no")}


def missing(rows: int, random: np.random.Generator) -> dict[str, Any]:
    """The same, where 3 in 10 of each input are missing."""
    found = starved(rows, random)
    there = {name: random.random(rows) >= 0.3 for name in "ab"}
    return found | {
        name: [x if real else None for x, real in zip(found[name], there[name], strict=True)] for name in "ab"
    }


def additive(rows: int, random: np.random.Generator) -> dict[str, Any]:
    """Two inputs of 8 numbers, half of the evidence in each, both easy: nothing to balance."""
    a, b = random.normal(size=(2, rows, 8))
    odds = 2 * (a[:, :2].sum(1) + b[:, :2].sum(1))
    return {"a": a, "b": b, "label": np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no")}


TASKS: dict[str, Callable[[int, np.random.Generator], dict[str, Any]]] = {
    "starved": starved,
    "missing": missing,
    "additive": additive,
}


def measure(task: str, method: str, seed: int, inputs: str = "ab", **options: Any) -> dict[str, Any]:
    """One fit: accuracy on the test rows, processor seconds."""
    import sensorium as sm

    parts = {name: TASKS[task](rows, np.random.default_rng([seed, rows])) for name, rows in ROWS.items()}
    config = {
        "inputs": {name: {"modality": "vector"} for name in inputs},
        "fusion": {"type": "concat", "width": WIDTH},
        "balance": {"method": method, **options},
    }
    start = time.process_time()
    predictor = sm.fit(
        parts["train"], "label", valid=parts["valid"], config=config, seed=seed, epochs=EPOCHS, batch_size=BATCH,
        patience=EPOCHS, probes=False, wide=False, precision="32", threads=1,
    )  # fmt: skip
    seconds = time.process_time() - start
    return {
        "task": task,
        "method": method,
        "inputs": inputs,
        "seed": seed,
        "accuracy": predictor.evaluate(parts["test"])["metrics"]["accuracy"]["value"],
        "seconds": seconds,
        "kept": (predictor.metrics.get("balance", {}).get("better_alone") or {}).get("input"),
    }


def markdown(fits: list[dict[str, Any]], machine: dict[str, Any], seeds: int) -> str:
    tasks = list(dict.fromkeys(f["task"] for f in fits))

    def values(task: str, method: str, inputs: str, what: str = "accuracy") -> list[Any]:
        return [f[what] for f in fits if (f["task"], f["method"], f["inputs"]) == (task, method, inputs)]

    def line(words: str, method: str, inputs: str) -> str:
        cells = []
        for task in tasks:
            found = values(task, method, inputs)
            cells.append(f"{statistics.mean(found):.3f} ({min(found):.3f}..{max(found):.3f})")
        seconds = statistics.mean(s for task in tasks for s in values(task, method, inputs, "seconds"))
        return f"| {words} | {' | '.join(cells)} | {seconds:.1f} |"

    kept = {t: ", ".join(str(name or "none") for name in values(t, "auto", "ab", "kept")) for t in tasks}
    lines = [
        "# Modality balance",
        "",
        f"Repeat with `python benchmarks/balance.py`. Accuracy on {ROWS['test']} fresh rows after {ROWS['train']} to learn from",
        f"and {ROWS['valid']} to choose the epoch by; mean and range of {seeds} seeds. {EPOCHS} epochs of batches of {BATCH}, fusion",
        f"`concat` of width {WIDTH}, no linear model beside it, all else as `sensorium.fit` has it. Seconds of one processor a fit",
        f"({machine['machine']}, torch {machine['torch']}).",
        "",
        *(f"- `{name}`: {' '.join((TASKS[name].__doc__ or '').split())}" for name in tasks),
        "",
        f"| method | {' | '.join(tasks)} | seconds |",
        f"|---|{'---|' * (len(tasks) + 1)}",
        line("*a alone*", "none", "a"),
        line("*b alone*", "none", "b"),
        *(line(f"`{m}`", m, "ab") for m in METHODS if values(tasks[0], m, "ab")),
        "",
        f"The input whose own network `auto` kept, a seed: {'; '.join(f'`{t}` {names}' for t, names in kept.items())}.",
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    given = parser.parse_args()
    machine = {"machine": platform.machine(), "python": platform.python_version(), "torch": version("torch")}
    fits = []
    for seed in range(given.seeds):  # seeds outermost: what else the machine does meanwhile touches all alike
        for task in given.tasks:
            for method, inputs in [("none", "a"), ("none", "b"), *((method, "ab") for method in given.methods)]:
                fits.append(measure(task, method, seed, inputs))
                print(" ".join(f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in fits[-1].items()))
    text = markdown(fits, machine, given.seeds)
    print(text)
    if set(given.tasks) == set(TASKS) and set(given.methods) == set(METHODS):
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "balance.json").write_text(json.dumps({"machine": machine, "fits": fits}, indent=1) + "\n")
        (RESULTS / "balance.md").write_text(text)


if __name__ == "__main__":
    main()
