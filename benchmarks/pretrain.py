"""What pretraining gives where few rows have labels; write a table to benchmarks/results/pretrain.{json,md}.

A run is pretrained on all training rows of a real data set without their labels. Then a tenth of these rows, drawn by seed
with every class in it, is learned from with labels: once from that run (`fit --from`), once from scratch. Both sides are fitted
with the defaults, and once more with `training.wide=false`, without hand-made features. Test rows are answered once a fit.

    python benchmarks/pretrain.py --data FOLDER [--sets digits lips] [--seeds 0 1 2]

FOLDER holds digits and lips, each with train.csv and test.csv. A set that is not there is skipped with a message. A result that
is in the JSON already is not measured again (delete the file to start anew).
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"
SHARE = 0.1  # of the training rows' labels
SETS: dict[str, dict[str, Any]] = {
    "digits": {"target": "digit", "ignore": ["audio_noisy", "image_weak", "speaker"], "epochs": 20},
    "digits, degraded": {"folder": "digits", "target": "digit", "ignore": ["audio", "image", "speaker"], "epochs": 20},
    "lips": {"target": "digit", "ignore": [], "epochs": 20},
}
WAYS = [("from", False), ("scratch", False), ("from", True), ("scratch", True)]  # and whether with hand-made features
WORDS = {"from": "pretrained", "scratch": "from scratch"}


def labelled(answers: pd.Series, seed: int) -> np.ndarray:
    """Which rows have a label: SHARE of each class, two at least."""
    random = np.random.default_rng(seed)
    found = [
        random.permutation(np.flatnonzero(answers == name))[: max(2, round(SHARE * (answers == name).sum()))]
        for name in sorted(answers.unique())
    ]
    return np.sort(np.concatenate(found))


def measure(name: str, data: Path, seed: int, done: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One pretraining and the fits that are not done yet; each with what it got right on test."""
    import sensorium as sm

    plan = SETS[name]
    folder, target = data / plan.get("folder", name), plan["target"]
    missing = [way for way in WAYS if not any((r["way"], r["wide"]) == way for r in done)]
    rows, test = (pd.read_csv(folder / f"{part}.csv", dtype=str, keep_default_na=False) for part in ("train", "test"))
    rows, test = (part.drop(columns=plan["ignore"]) for part in (rows, test))
    few = rows.iloc[labelled(rows[target], seed)]
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        run, recall, seconds = Path(scratch) / "run", [], 0.0
        if any(way == "from" for way, _ in missing):
            pretrained = sm.pretrain(
                rows.drop(columns=target), out=run, media_root=folder, seed=seed, epochs=plan["epochs"], say=print
            )
            recall = pretrained.metrics["pretraining"]["recall"]
            seconds = pretrained.metrics["seconds"]["total"]
        for way, wide in missing:
            start = time.monotonic()
            predictor = sm.fit(
                few, target, media_root=folder, start=run if way == "from" else None, seed=seed, wide=wide,
                probes=False, say=print,
            )  # fmt: skip
            right = predictor.predict(test, media_root=folder).astype(str).to_numpy() == test[target].to_numpy()
            found.append(
                {
                    "set": name, "seed": seed, "way": way, "wide": wide, "rows": len(rows), "labelled": len(few),
                    "accuracy": float(right.mean()), "right": "".join(map(str, right.astype(int))),
                    "seconds": {"pretraining": seconds if way == "from" else 0.0, "fit": time.monotonic() - start},
                    "recall": recall if way == "from" else [],
                }
            )  # fmt: skip
            print(name, seed, way, wide, found[-1]["accuracy"], flush=True)
    return found


def interval(right: np.ndarray) -> str:
    """The mean of (seeds, test rows), and its 95 % interval over the test rows, drawn anew 2000 times."""
    of_row = right.mean(0)
    random = np.random.default_rng(0)
    means = of_row[random.integers(0, len(of_row), (2000, len(of_row)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{of_row.mean():.3f} | {low:.3f}..{high:.3f}"


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown: a line a set and way, and what pretraining gives there."""
    lines = [
        "# Pretraining, with a tenth of the labels",
        "",
        "Accuracy on test: the mean over seeds, and the 95 % interval over test rows (bootstrap); gain: of the same test rows",
        "and seeds. `pretrained`: `sensorium pretrain` on all training rows without labels, then `fit --from` on the labelled",
        "ones. Hand-made: with the linear model of hand-made features beside the network, which is the default. Seconds are of",
        "one seed, and depend on what else the machine does. Repeat with `python benchmarks/pretrain.py --data FOLDER`.",
        "",
        "| set | rows | with labels | hand-made | way | accuracy | interval | seeds | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in SETS:
        for wide in (False, True):
            there: dict[str, dict[int, dict[str, Any]]] = {way: {} for way in WORDS}
            for r in results:
                if (r["set"], r["wide"]) == (name, wide):
                    there[r["way"]][r["seed"]] = r
            seeds = sorted(set(there["from"]) & set(there["scratch"]))
            if not seeds:
                continue
            right = {
                way: np.array([[int(bit) for bit in runs[seed]["right"]] for seed in seeds])
                for way, runs in there.items()
            }
            first = there["from"][seeds[0]]
            about = f"| {name} | {first['rows']} | {first['labelled']} | {'yes' if wide else 'no'}"
            for way in ("scratch", "from"):
                spent = np.mean([sum(there[way][seed]["seconds"].values()) for seed in seeds])
                lines.append(f"{about} | {WORDS[way]} | {interval(right[way])} | {len(seeds)} | {spent:.0f} |")
            lines.append(f"{about} | **gain** | {interval(right['from'] - right['scratch'])} | {len(seeds)} | |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure what is asked for and not there yet; write after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    given = parser.parse_args()
    path = RESULTS / "pretrain.json"
    for seed in given.seeds:
        for name in given.sets:
            folder = given.data / SETS[name].get("folder", name)
            if not (folder / "train.csv").is_file():
                print(f"{name}: skipped, {folder} is not there", file=sys.stderr)
                continue
            results = json.loads(path.read_text()) if path.exists() else []
            done = [r for r in results if (r["set"], r["seed"]) == (name, seed)]
            if len(done) == len(WAYS):
                continue
            print(f"--- {name}, seed {seed}", file=sys.stderr, flush=True)
            found = measure(name, given.data, seed, done)
            results = json.loads(path.read_text()) if path.exists() else []  # another may have written in the meantime
            RESULTS.mkdir(exist_ok=True)
            path.write_text(json.dumps([*results, *found], indent=1) + "\n")
            (RESULTS / "pretrain.md").write_text(table([*results, *found]))
    if path.exists():
        print(table(json.loads(path.read_text())))


if __name__ == "__main__":
    main()
