"""What smaller models made from a run's answers are worth, and what they cost.

    python benchmarks/compress.py --data FOLDER [--seeds 0 1 2] [--shares 0.5 0.25]

FOLDER holds digits (spoken and written digits, degraded), with train.csv, valid.csv and test.csv; without it nothing is
measured. A run is fitted on 1,000 rows of train.csv, then students of each share of its sizes on the same rows: begun with its
most important features or anew, and by its answers or by the truth alone, as a fit would. All are scored on test.csv, whose
speakers nobody heard. One thread. Writes benchmarks/results/compress.{json,md} when three seeds or more are asked for.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).parent / "results"
SHARES = (0.5, 0.25)
ROWS, EPOCHS = 1000, 10
INPUTS = ("audio_noisy", "image_weak")
KINDS = {"pruned and taught": {}, "taught": {"pruned": False}, "truth alone": {"soft": 0.0, "pruned": False}}


def read(folder: Path, name: str) -> pd.DataFrame:
    """A table, media by whole path."""
    table = pd.read_csv(folder / f"{name}.csv")[[*INPUTS, "digit"]]
    for column in INPUTS:
        table[column] = [str(folder / cell) for cell in table[column]]
    return table


def measure(folder: Path, seed: int, shares: list[float]) -> list[dict[str, Any]]:
    """One run, and its students: score, size, times."""
    import sensorium as sm

    train, valid, test = (read(folder, name) for name in ("train", "valid", "test"))
    train = train.sample(ROWS, random_state=seed)
    config = {"inputs": {name: {"modality": name.split("_")[0]} for name in INPUTS},
              "targets": {"digit": {"task": "classification"}}}  # fmt: skip
    run = sm.fit(
        train, "digit", valid=valid, config=config, seed=seed, epochs=EPOCHS, probes=False, precision="32", threads=1
    )
    found = []
    for kind, options in KINDS.items():
        start = time.process_time()
        with tempfile.TemporaryDirectory() as out:
            front = sm.compress(
                run, train, out=out, shares=shares, valid=valid, test=test,
                epochs=EPOCHS, **options,
            )  # fmt: skip
        for row in front.to_dict(orient="records"):
            if row["model"] != "teacher":
                found.append({"seed": seed, "kind": kind, **row})
            elif kind == next(iter(KINDS)):
                found.append({"seed": seed, "kind": "the run", **row})
        print(json.dumps(found[-len(shares) - 1 :]), time.process_time() - start, flush=True)
    return found


def table(found: list[dict[str, Any]]) -> str:
    """A line a model: the mean accuracy with the least and the most, size and times."""
    lines = [
        "| | share | accuracy | parameters | MiB | FLOPs a row | ms, 1 row | ms, 32 rows |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in ("the run", *KINDS):
        own = [one for one in found if one["kind"] == kind]
        for share in dict.fromkeys(one["model"] for one in own):
            rows = [one for one in own if one["model"] == share]
            scores = [row["score"] for row in rows]
            cells = [f"{statistics.mean(scores):.3f} ({min(scores):.3f}-{max(scores):.3f})", f"{rows[0]['parameters']:,}",
                     f"{rows[0]['bytes'] / 2**20:.2f}", f"{rows[0]['flops'] / 1e6:.1f} M"]  # fmt: skip
            cells += [f"{statistics.median(row[name] for row in rows):.2f}" for name in ("ms_1", "ms_32")]
            lines.append(f"| {kind} | {'1' if share == 'teacher' else share} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES))
    given = parser.parse_args()
    folder = given.data / "digits"
    if not (folder / "test.csv").exists():
        sys.exit(f"{folder} has no test.csv: nothing is measured.")
    warnings.filterwarnings("ignore")
    found = [one for seed in given.seeds for one in measure(folder, seed, given.shares)]
    text = table(found)
    print(text)
    if len(given.seeds) < 3 or set(given.shares) != set(SHARES):
        return
    about = {name: version(name) for name in ("torch", "scikit-learn")} | {"python": platform.python_version()}
    (RESULTS / "compress.json").write_text(json.dumps({"versions": about, "results": found}, indent=1) + "\n")
    said = (
        f"# Smaller models from a run's answers\n\nDegraded spoken and written digits, {ROWS:,} rows to learn from, {EPOCHS} epochs; "
        f"{len(given.seeds)} seeds, mean (least-most) on 500 rows of other speakers. Times are of the network alone, one "
        f"thread, in turns, on a machine that did other work: compare them within a kind, not across.\n\n{text}\n\nRepeat: `python benchmarks/compress.py --data FOLDER`\n"
    )
    (RESULTS / "compress.md").write_text(said)


if __name__ == "__main__":
    main()
