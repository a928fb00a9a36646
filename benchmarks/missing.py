"""What a missing input costs: one input removed from half the test rows, beside a model that only fills zeros.

    python benchmarks/missing.py [--seeds 0 1 2] [--data FOLDER [--sets digits lips cook exercises]]

`default`: sensorium's defaults. `zeros`: the same encoders, joined by plain concatenation, no modality dropout and no
hand-made features, so that a missing input is a vector of zeros never seen in training. Planted rows: three vectors, each
with a third of the evidence, all there in training. FOLDER as for benchmarks/real.py; one seed of real sets is the
default there. Writes benchmarks/results/missing.{json,md}; what is in the JSON already is not measured again.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import sensorium as sm
from sensorium.data.table import read_table

sys.path.insert(0, str(Path(__file__).parent))
from real import SETS

RESULTS = Path(__file__).parent / "results"
MODELS: dict[str, list[str]] = {
    "default": [],
    "zeros": ["fusion={type: plain_concat}", "training.modality_dropout=0", "training.wide=false"],
}


def planted(seed: int, rows: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(3, rows, 8))
    odds = 3 * vectors[:, :, :2].sum((0, 2))
    label = np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no")
    return pd.DataFrame({**{name: list(part) for name, part in zip("abc", vectors, strict=True)}, "label": label})


def tables(name: str, seed: int, data: Path | None) -> tuple[Any, Any, pd.DataFrame, str, list[str]]:
    """Training, validation and test rows, the target, and columns to leave out."""
    if name == "planted":
        parts = [planted(1000 * seed + place, rows) for place, rows in enumerate((2000, 500, 4000))]
        return *parts, "label", []
    plan, folder = SETS[name], data / name
    test = pd.read_csv(folder / "test.csv", dtype=str, keep_default_na=False)
    return folder / "train.csv", folder / "valid.csv", test, plan["target"], plan["ignore"]


def measure(name: str, model: str, seed: int, data: Path | None) -> dict[str, Any]:
    """Test accuracy with every input, and with each of them taken from the same half of the rows."""
    train, valid, test, target, ignore = tables(name, seed, data)
    root = None if data is None or name == "planted" else data / name
    with tempfile.TemporaryDirectory() as out:
        predictor = sm.fit(
            train, target, valid=valid, out=f"{out}/run", ignore=ignore, seed=seed, settings=MODELS[model], probes=False
        )

    def accuracy(rows: pd.DataFrame) -> float:
        return predictor.evaluate(read_table(rows, root))["metrics"]["accuracy"]["value"]

    half = np.random.default_rng(0).permutation(len(test))[: len(test) // 2]
    scores = {}
    for key, reader in predictor.readers.items():
        less = test.astype(object)
        for column in reader.columns:
            less.iloc[half, less.columns.get_loc(column)] = None
        scores[key] = accuracy(less)
    return {"set": name, "model": model, "seed": seed, "full": accuracy(test), "without": scores}


def table(results: list[dict[str, Any]]) -> str:
    lines = [
        "# One input missing from half the test rows",
        "",
        "Accuracy on test, means over seeds. `loss`: the fall against the same model on full rows, in points.",
        "`zeros`: plain concatenation that fills zeros. Repeat with `python benchmarks/missing.py --data FOLDER`.",
        "",
        "| set | seeds | taken from half the rows | default | loss | zeros | loss |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(r["set"] for r in results):
        runs = {m: [r for r in results if r["set"] == name and r["model"] == m] for m in MODELS}
        if not all(runs.values()):
            continue
        full = {m: statistics.mean(r["full"] for r in found) for m, found in runs.items()}
        seeds = len(runs["default"])
        lines.append(f"| {name} | {seeds} | nothing | {full['default']:.3f} | | {full['zeros']:.3f} | |")
        for key in runs["default"][0]["without"]:
            less = {m: statistics.mean(r["without"][key] for r in found) for m, found in runs.items()}
            cells = " | ".join(f"{less[m]:.3f} | {100 * (full[m] - less[m]):.1f}" for m in MODELS)
            lines.append(f"| {name} | {seeds} | {key} | {cells} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["digits"])
    parser.add_argument("--real-seeds", nargs="+", type=int, default=[0])
    given = parser.parse_args()
    path = RESULTS / "missing.json"
    results = json.loads(path.read_text()) if path.exists() else []
    wanted = [("planted", seed) for seed in given.seeds]
    if given.data is not None:
        wanted += [(name, seed) for name in given.sets for seed in given.real_seeds]
    for name, seed in wanted:
        for model in MODELS:
            if any(r["set"] == name and r["model"] == model and r["seed"] == seed for r in results):
                continue
            print(f"--- {name}, {model}, seed {seed}", file=sys.stderr, flush=True)
            results.append(measure(name, model, seed, given.data))
            RESULTS.mkdir(exist_ok=True)
            path.write_text(json.dumps(results, indent=1) + "\n")
            (RESULTS / "missing.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
