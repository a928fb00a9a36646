"""What a run is worth for a speaker whom it has not heard, with a few rows of that speaker to go on with.

    python benchmarks/adapt.py --data FOLDER [--seeds 0 1 2] [--counts 20 60 150] [--methods as-is heads ...]

FOLDER holds digits, with train.csv and test.csv; without it nothing is measured. A run learns from 400 rows of the speakers of
train.csv, the others are learned with, and 250 of the rest scored: rows of test.csv, of another speaker. Rates and the way
that the parts go together were chosen on the speaker of valid.csv. One thread. Writes benchmarks/results/adapt.{json,md} when
everything and three seeds or more are asked for.
"""

import argparse
import json
import platform
import statistics
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).parent / "results"
METHODS = ("as it is", "heads", "lora", "all", "fit from", "fit anew")
COUNTS = (20, 60, 150)
ROWS, EPOCHS, SCORED = 400, 15, 250
CONFIG = {"inputs": {"audio": {"modality": "audio"}}, "targets": {"digit": {"task": "classification"}}}
OPTIONS: dict[str, Any] = {"probes": False, "precision": "32", "threads": 1}


def read(folder: Path, name: str) -> pd.DataFrame:
    """A table, media by whole path."""
    table = pd.read_csv(folder / f"{name}.csv")[["audio", "speaker", "digit"]]
    table["audio"] = [str(folder / cell) for cell in table["audio"]]
    return table


def measure(folder: Path, seed: int, counts: list[int], methods: list[str]) -> list[dict[str, Any]]:
    """One run, and every method with every count of rows: accuracy and processor seconds."""
    import sensorium as sm

    train = read(folder, "train")
    base = train.groupby("speaker").sample(ROWS // train["speaker"].nunique(), random_state=seed)
    mixed = read(folder, "test").sample(frac=1, random_state=seed)
    scored, rest = mixed[:SCORED], mixed[SCORED:]
    run = sm.fit(base, "digit", config=CONFIG, seed=seed, epochs=EPOCHS, **OPTIONS)
    found = []
    for count in counts:
        few = rest.groupby("digit").head(count // 10)
        for method in methods:
            start = time.process_time()
            if method == "as it is":
                predictor = run
            elif method.startswith("fit"):
                begun = {"start": run} if method == "fit from" else {}
                predictor = sm.fit(few, "digit", config=CONFIG, seed=seed, **begun, **OPTIONS)
            else:
                predictor = sm.adapt(run, few, train=method, seed=seed, **OPTIONS)
            seconds = time.process_time() - start
            accuracy = predictor.evaluate(scored)["metrics"]["accuracy"]["value"]
            found.append({"seed": seed, "rows": len(few), "method": method, "accuracy": accuracy, "seconds": seconds})
            print(json.dumps(found[-1]), flush=True)
    return found


def table(found: list[dict[str, Any]]) -> str:
    """A line a method; under each count the mean accuracy, and the least and the most."""
    counts = sorted({one["rows"] for one in found})
    lines = [
        "| | " + " | ".join(f"{count} rows" for count in counts) + " | seconds of the most |",
        "|---|" + "---|" * (len(counts) + 1),
    ]
    for method in METHODS:
        cells = []
        for count in counts:
            scores = [one["accuracy"] for one in found if one["method"] == method and one["rows"] == count]
            cells.append(f"{statistics.mean(scores):.3f} ({min(scores):.3f}-{max(scores):.3f})")
        seconds = [one["seconds"] for one in found if one["method"] == method and one["rows"] == counts[-1]]
        lines.append(f"| {method} | {' | '.join(cells)} | {statistics.median(seconds):.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    given = parser.parse_args()
    folder = given.data / "digits"
    if not (folder / "test.csv").exists():
        sys.exit(f"{folder} has no test.csv: nothing is measured.")
    warnings.filterwarnings("ignore")
    found = [one for seed in given.seeds for one in measure(folder, seed, given.counts, given.methods)]
    if set(given.methods) != set(METHODS) or len(given.seeds) < 3 or set(given.counts) != set(COUNTS):
        return
    about = {name: version(name) for name in ("torch", "scikit-learn")} | {"python": platform.python_version()}
    (RESULTS / "adapt.json").write_text(json.dumps({"versions": about, "results": found}, indent=1) + "\n")
    text = (
        "# A run for a speaker whom it has not heard\n\n"
        "`python benchmarks/adapt.py --data FOLDER`: spoken digits, 400 rows of four speakers, then some of a fifth; accuracy "
        f"on {SCORED} others of the fifth, mean (least-most) of seeds {', '.join(map(str, given.seeds))}; processor seconds "
        "of going on or fitting, the run itself left out, with one thread.\n\n" + table(found) + "\n"
    )
    (RESULTS / "adapt.md").write_text(text)


if __name__ == "__main__":
    main()
