"""Tune a real data set within a time limit and score defaults and tuned once on test; write results/tune.{json,md}.

    python benchmarks/tune.py --data FOLDER [--sets exercises cook] [--seeds 0 1 2] [--seconds 540]

FOLDER holds exercises and cook, each with train.csv, valid.csv and test.csv. Trials see train and valid alone, and are chosen
by valid; test is scored once, at the end, by the defaults and by the best trial. Each tuning is a process of its own; one
that is in the JSON already is not done again (delete the file to start anew).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SETS: dict[str, dict[str, Any]] = {
    "exercises": {"target": "primary_muscle", "ignore": ["all_steps", "secondary_muscles"]},
    "exercises without pictures": {
        "folder": "exercises",
        "target": "primary_muscle",
        "ignore": ["all_steps", "secondary_muscles", "start_image", "end_image"],
    },
    "cook": {"target": "category", "ignore": []},
}


def folder_of(data: Path, name: str) -> Path:
    return data / SETS[name].get("folder", name)


def tuned(name: str, folder: Path, seed: int, seconds: float, trials: int) -> dict[str, Any]:
    """One tuning in this process."""
    import sensorium as sm

    plan, started = SETS[name], time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        found = sm.tune(
            folder / "train.csv", plan["target"], valid=folder / "valid.csv", test=folder / "test.csv", out=out,
            ignore=plan["ignore"], trials=trials, time_limit=seconds, seed=seed, say=lambda line: print(line, file=sys.stderr),
        )  # fmt: skip
        told = json.loads((Path(out) / "tuning.json").read_text())
    return {
        "set": name, "seed": seed, "seconds": time.monotonic() - started, "limit": seconds, "trials": told["trials"],
        "metric": found.metric, "valid_rows": told["rows"], "valid": {"best": found.score, "defaults": found.defaults},
        "test": found.test[plan["target"]], "trial": found.trial, "choices": told["best"]["choices"],
        "importance": found.importance,
    }  # fmt: skip


def lines(results: list[dict[str, Any]]) -> str:
    """The table of all results."""
    out = [
        "# Defaults and tuned",
        "",
        "The main metric on the validation rows, by which the trial was chosen, and on test, scored once at the end; the",
        "difference on test with its 95 % paired bootstrap interval. Seconds depend on what else the machine does.",
        "Repeat with `python benchmarks/tune.py --data FOLDER`.",
        "",
        "| set | seed | seconds | trials: finished, cut short, failed | valid, defaults | valid, tuned | test, defaults | test, tuned "
        "| difference on test |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in results:
        valid, test = row["valid"], row["test"]
        gap, counts = test["difference"], ", ".join(map(str, row["trials"].values()))
        out.append(
            f"| {row['set']} | {row['seed']} | {row['seconds']:.0f} | {counts} | {valid['defaults']:.3f} | {valid['best']:.3f} "
            f"| {test['defaults']:.3f} | {test['best']:.3f} | {gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}] |"
        )
    for name in dict.fromkeys(row["set"] for row in results):
        own = [row for row in results if row["set"] == name]
        gains = [statistics.mean(row["valid"]["best"] - row["valid"]["defaults"] for row in own)]
        gains.append(statistics.mean(row["test"]["difference"]["value"] for row in own))
        rows = own[0]["valid_rows"], own[0]["test"]["rows"]
        out += [
            "",
            f"{name}: over {len(own)} seeds the tuned model is {gains[0]:+.3f} better on the {rows[0]} validation rows, and "
            f"{gains[1]:+.3f} on the {rows[1]} rows of test.",
        ]
    return "\n".join([*out, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["exercises without pictures"], choices=sorted(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--one", nargs=2, metavar=("SET", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, seed = given.one
        print(json.dumps(tuned(name, folder_of(given.data, name), int(seed), given.seconds, given.trials)))
        return
    path = RESULTS / "tune.json"
    results = json.loads(path.read_text()) if path.exists() else []
    for seed in given.seeds:
        for name in given.sets:
            folder = folder_of(given.data, name)
            if not (folder / "train.csv").exists():
                print(f"{folder} is not there; skipped.", file=sys.stderr)
                continue
            if any((row["set"], row["seed"]) == (name, seed) for row in results):
                continue
            command = [
                sys.executable,
                __file__,
                "--data",
                given.data,
                "--seconds",
                given.seconds,
                "--trials",
                given.trials,
            ]
            done = subprocess.run(
                [str(word) for word in [*command, "--one", name, seed]], stdout=subprocess.PIPE, text=True, check=True
            )
            results.append(json.loads(done.stdout.splitlines()[-1]))
            results.sort(key=lambda row: (row["set"], row["seed"]))
            path.write_text(json.dumps(results, indent=1) + "\n")
            (RESULTS / "tune.md").write_text(lines(results))


if __name__ == "__main__":
    main()
