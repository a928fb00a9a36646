"""What the presets of `fit` cost and are worth: seconds, CPU seconds and the score on test; write results/presets.{json,md}.

    python benchmarks/presets.py --data FOLDER [--sets exercises cook digits] [--presets fast balanced best] [--seeds 0 1 2]

FOLDER holds exercises, cook and digits, each with train.csv, valid.csv and test.csv. Fits see train and valid; test is scored
once a fit. Every fit is a process of its own; all share a cache of decoded media, and of what frozen encoders say, that is
empty at first. A result that is in the JSON already is not measured again (delete the file to start anew). Where balanced is
not measured here, the table shows what benchmarks/real.py measured.
"""

import argparse
import json
import os
import resource
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
    "cook": {"target": "category", "ignore": []},
    "digits": {"target": "digit", "ignore": ["audio", "image", "speaker"]},
}
PRESETS = ("fast", "balanced", "best")


def measure(name: str, folder: Path, preset: str, seed: int) -> dict[str, Any]:
    """One fit, in this process."""
    import sensorium as sm

    plan = SETS[name]
    with tempfile.TemporaryDirectory() as out:
        start = time.monotonic()
        predictor = sm.fit(
            folder / "train.csv", plan["target"], valid=folder / "valid.csv", out=Path(out) / "run",
            ignore=plan["ignore"], seed=seed, preset=preset, probes=False,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
        seconds = time.monotonic() - start
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        found = predictor.evaluate(folder / "test.csv")["metrics"]
    valid = predictor.metrics["targets"][plan["target"]]["valid"]
    return {
        "set": name, "preset": preset, "seed": seed, "seconds": seconds,
        "cpu": sum(part.ru_utime + part.ru_stime for part in used), "peak_mb": used[0].ru_maxrss / 1024,
        "accuracy": found["accuracy"], "macro_f1": found["macro_f1"], "log_loss": found["log_loss"],
        "valid": {key: valid[key]["value"] for key in ("accuracy", "log_loss")},
        "networks": len(predictor.model.members) or (0 if predictor.config.training.epochs == 0 else 1),
        "ensemble": predictor.metrics.get("ensemble"),
    }  # fmt: skip


def of_real(name: str) -> list[dict[str, Any]]:
    """Fits of benchmarks/real.py, which are those of the preset balanced; their CPU seconds were not measured."""
    path = RESULTS / "real.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    return [
        {
            "set": name, "preset": "balanced", "seed": row["seed"], "networks": 1,
            "seconds": row["seconds"]["fit"] - row["seconds"]["probes"],
            "accuracy": row["accuracy"], "macro_f1": row["macro_f1"],
        }
        for row in rows if row["set"] == name and "input" not in row
    ]  # fmt: skip


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown: a line a set and preset."""
    lines = [
        "# Presets",
        "",
        "Scores on test: the mean over seeds, and the 95 % bootstrap interval of the first seed. Seconds and CPU seconds (of all",
        "threads and decoding processes) are means of fits without the comparison with single inputs (`probes=false`). Seconds",
        "depend much on what else the machine does, CPU seconds little. Networks: those that answer, by seed. Decoded media, and",
        "what frozen encoders say, are in the cache but for the first fit of a set.",
        "balanced*: fits of benchmarks/real.py, made at another time.",
        "Repeat with `python benchmarks/presets.py --data FOLDER`.",
        "",
        "| set | preset | seeds | networks | seconds | CPU seconds | accuracy | interval | macro F1 | log-loss |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]

    def mean(values: list[float | None], form: str) -> str:
        return "" if None in values else format(statistics.mean(values), form)

    for name in SETS:
        for preset in PRESETS:
            runs, mark = [row for row in results if (row["set"], row["preset"]) == (name, preset)], ""
            if not runs and preset == "balanced":
                runs, mark = of_real(name), "*"
            if not runs:
                continue
            runs = sorted(runs, key=lambda row: row["seed"])
            first, scores = runs[0]["accuracy"], ("accuracy", "macro_f1", "log_loss")
            score = {key: mean([row[key]["value"] if key in row else None for row in runs], ".3f") for key in scores}
            lines.append(
                f"| {name} | {preset}{mark} | {len(runs)} | {', '.join(str(row['networks']) for row in runs)} "
                f"| {mean([row['seconds'] for row in runs], '.0f')} | {mean([row.get('cpu') for row in runs], '.0f')} "
                f"| {score['accuracy']} | {first['low']:.3f}..{first['high']:.3f} | {score['macro_f1']} | {score['log_loss']} |"
            )
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure what is asked for and not there yet, each in a process of its own; write after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--one", nargs=3, metavar=("SET", "PRESET", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, preset, seed = given.one
        print(json.dumps(measure(name, given.data / name, preset, int(seed))))
        return
    with tempfile.TemporaryDirectory() as cache:
        everything(given, cache)


def everything(given: argparse.Namespace, cache: str) -> None:
    """All that is asked for and not there yet."""
    path = RESULTS / "presets.json"
    results = json.loads(path.read_text()) if path.exists() else []
    for name in given.sets:
        if not (given.data / name / "train.csv").is_file():
            print(f"{name}: skipped, {given.data / name} is not there", file=sys.stderr)
            continue
        for preset in given.presets:
            for seed in given.seeds:
                if any((row["set"], row["preset"], row["seed"]) == (name, preset, seed) for row in results):
                    continue
                print(f"--- {name}, {preset}, seed {seed}", file=sys.stderr, flush=True)
                command = [sys.executable, __file__, "--data", str(given.data), "--one", name, preset, str(seed)]
                done = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "SENSORIUM_CACHE": cache}
                )
                results.append(json.loads(done.stdout.splitlines()[-1]))
                RESULTS.mkdir(exist_ok=True)
                path.write_text(json.dumps(results, indent=1) + "\n")
                path.with_suffix(".md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
