"""Every method for rare classes on the same long-tailed splits of scikit-learn's digits; write a table.

    python benchmarks/imbalance.py [--seeds 0 1 2] [--methods none auto]

A row is a picture of 8x8 pixels and a noisy vector made from it (16 means of 2x2 pixels, noise of a third of their
deviation). Class sizes fall by a constant factor from class to class, in an order that the seed draws, down to the
ratio named, but to no fewer than FEWEST rows; validation rows fall alike; test rows are even. A result that is in
benchmarks/results/imbalance.json already is not measured again (delete the file to start anew).
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

RESULTS = Path(__file__).parent / "results"
METHODS = (
    "none", "class_weights", "class_balanced", "focal", "logit_adjustment", "weighted_sampling", "oversampling",
    "undersampling", "threshold", "gan", "auto",
)  # fmt: skip
RATIOS = (1, 10, 100)
METRICS = ("accuracy", "macro_f1", "balanced_accuracy")
FEWEST = 3  # rows of a class in each part
MOST = {"train": 90, "valid": 40, "test": 44}  # rows of the largest class, of 174 at least in the data
CONFIG = {
    "inputs": {
        "image": {"modality": "image", "size": 8, "encoder": {"type": "cnn", "channels": [8, 16]}},
        "noisy": {"modality": "vector"},
    },
    "fusion": {"width": 32},
}


def tables(ratio: int, seed: int) -> dict[str, dict[str, Any]]:
    """train, valid and test: the same for every method."""
    random = np.random.default_rng(seed)
    digits = load_digits()
    means = digits.images.reshape(-1, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 16)
    noisy = means + means.std() / 3 * random.normal(size=means.shape)
    ranks = random.permutation(10)  # of each class: 0 the largest
    parts: dict[str, list[int]] = {name: [] for name in MOST}
    for digit in range(10):
        rows = random.permutation(np.flatnonzero(digits.target == digit))
        for name, most in MOST.items():
            share = 1.0 if name == "test" else ratio ** (-ranks[digit] / 9)
            parts[name].extend(rows[: max(FEWEST, round(most * share))])
            rows = rows[most:]
    return {
        name: {
            "image": [np.repeat((digits.images[row] * 15).astype(np.uint8)[:, :, None], 3, axis=2) for row in rows],
            "noisy": [noisy[row] for row in rows],
            "digit": [f"d{digits.target[row]}" for row in rows],
        }
        for name, rows in parts.items()
    }


def measure(method: str, ratio: int, seed: int) -> dict[str, Any]:
    """One fit: scores on the test rows, seconds."""
    import sensorium as sm

    given = tables(ratio, seed)
    start = time.monotonic()
    predictor = sm.fit(
        given["train"], "digit", valid=given["valid"], config={**CONFIG, "imbalance": method}, seed=seed, epochs=20,
        batch_size=32, probes=False, precision="32", threads=1, cache_size=0, workers=0,
    )  # fmt: skip
    seconds = time.monotonic() - start
    scores = predictor.evaluate(given["test"])["metrics"]
    counts = np.unique(given["train"]["digit"], return_counts=True)[1]
    return {
        "method": method,
        "ratio": ratio,
        "seed": seed,
        "rows": [int(counts.max()), int(counts.min()), int(counts.sum())],
        **{name: scores[name]["value"] for name in METRICS},
        "seconds": seconds,
        "imbalance": predictor.metrics["targets"]["digit"]["imbalance"],
    }


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown: a line a method and ratio."""
    lines = [
        "# Rare classes",
        "",
        "scikit-learn's digits as a picture of 8x8 pixels and a noisy vector made from it; class sizes fall by a constant",
        f"factor down to the ratio, to no fewer than {FEWEST} rows; test rows are even. Mean and standard deviation over",
        "seeds. Every method sees the same rows. `threshold`, `gan` and `auto` train as `class_weights` does; what `auto`",
        "and the others kept is in the JSON. All have 20 epochs: oversampling makes more steps in them, undersampling fewer",
        "(of 1:100 one an epoch), and part of what they gain or lose is that. Seconds are of one fit on one busy core.",
        "Repeat with `python benchmarks/imbalance.py`.",
    ]
    for ratio in RATIOS:
        of = [r for r in results if r["ratio"] == ratio]
        if not of:
            continue
        most, least, rows = of[0]["rows"]
        lines += ["", f"## 1:{ratio} ({rows} rows to learn from; classes of {most} to {least})", ""]
        lines += [
            "| method | accuracy | macro F1 | balanced accuracy | seconds | seeds | kept |",
            "|---|---|---|---|---|---|---|",
        ]
        for method in METHODS:
            runs = [r for r in of if r["method"] == method]
            if not runs:
                continue
            cells = [
                f"{statistics.mean(values):.3f} ± {statistics.stdev(values) if len(values) > 1 else 0:.3f}"
                for values in ([r[name] for r in runs] for name in METRICS)
            ]
            kept = ", ".join(r["imbalance"].get("chosen", "") for r in runs) if "chosen" in runs[0]["imbalance"] else ""
            seconds = statistics.mean(r["seconds"] for r in runs)
            lines.append(f"| {method} | {' | '.join(cells)} | {seconds:.1f} | {len(runs)} | {kept} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure what is asked for and not there yet; write after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--ratios", nargs="+", type=int, choices=RATIOS, default=list(RATIOS))
    given = parser.parse_args()
    path = RESULTS / "imbalance.json"
    results = json.loads(path.read_text()) if path.exists() else []
    done = {(r["method"], r["ratio"], r["seed"]) for r in results}
    for seed in given.seeds:
        for ratio in given.ratios:
            for method in given.methods:
                if (method, ratio, seed) in done:
                    continue
                found = measure(method, ratio, seed)
                print(
                    f"1:{ratio} {method} seed {seed}: {found['macro_f1']:.3f}, {found['seconds']:.1f} s",
                    file=sys.stderr,
                )
                results.append(found)
                RESULTS.mkdir(exist_ok=True)
                path.write_text(json.dumps(results, indent=1) + "\n")
                (RESULTS / "imbalance.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
