"""Fit and score four real data sets with the defaults; write a table to benchmarks/results/real.{json,md}.

Beside the model of all inputs, one is fitted on each input that could win by itself, with the same defaults.
With --weights, what has a text is fitted with the weights that sensorium[weights] installs, and is written to
benchmarks/results/weights.{json,md}.

    python benchmarks/real.py --data FOLDER [--sets digits cook] [--seeds 0 1 2] [--weights]

FOLDER holds exercises, cook, digits and lips, each with train.csv, valid.csv and test.csv. A set that is not there is
skipped with a message. Every fit is a process of its own, so that its peak memory is its own; a result that is in the
JSON already is not measured again (delete the file to start anew). Training sees train and valid; test is scored once
a seed. Floors are those given with the data: the best of logistic regression and SVM on simple hand-made features.
"""

import argparse
import csv
import json
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
    "digits": {
        "target": "digit",
        "ignore": ["audio", "image", "speaker"],
        "single": ["image_weak"],
        "floors": {"audio_noisy": 0.52, "image_weak": 0.85, "all": 0.65},
    },
    "cook": {"target": "category", "ignore": [], "single": ["text"], "floors": {"text": 0.73, "majority": 0.36}},
    "exercises": {
        "target": "primary_muscle",
        "ignore": ["all_steps", "secondary_muscles"],
        "single": ["first_step", "columns"],
        "floors": {"image": 0.28, "columns": 0.38, "text": 0.45, "text+columns": 0.53, "all": 0.54, "majority": 0.15},
    },
    "lips": {
        "target": "digit",
        "ignore": [],
        "single": ["video"],
        "floors": {"video": 0.16, "noisy_audio": 0.25, "all": 0.32},
    },
}


MEDIA = {"cook": {"text", "image"}, "exercises": {"start_image", "end_image", "first_step"}}  # beside the columns
WITH_WEIGHTS = {"cook": ["text"], "exercises": ["first_step", "start_image+end_image"]}  # inputs by themselves


def single(name: str, folder: Path, seed: int, key: str, weights: bool) -> dict[str, Any]:
    """One fit on one input, or on several joined by +, in this process: its test scores."""
    import sensorium as sm

    plan = SETS[name]
    columns = [
        column for column in read_header(folder / "train.csv") if column not in {plan["target"], *plan["ignore"]}
    ]
    wanted = key.split("+")
    other = set(columns) - set(wanted) if wanted[0] in columns else set(columns) & MEDIA[name]
    with tempfile.TemporaryDirectory() as out:
        predictor = sm.fit(
            folder / "train.csv",
            plan["target"],
            valid=folder / "valid.csv",
            out=out,
            ignore=[*plan["ignore"], *sorted(other)],
            seed=seed,
            probes=False,
            pretrained=weights,
        )
        found = predictor.evaluate(folder / "test.csv")["metrics"]
    if list(predictor.readers) != wanted:
        raise SystemExit(f"{name}: the model of {key} reads {', '.join(predictor.readers)}")
    return {"set": name, "seed": seed, "input": key, "accuracy": found["accuracy"], "macro_f1": found["macro_f1"]}


def singles(name: str, weights: bool) -> list[str]:
    """What is fitted by itself."""
    return WITH_WEIGHTS[name] if weights else SETS[name]["single"]


def read_header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def measure(name: str, folder: Path, seed: int, weights: bool) -> dict[str, Any]:
    """One fit, in this process: test scores of the fused model and of each input alone in it, seconds, peak memory."""
    import torch

    import sensorium as sm

    plan = SETS[name]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        predictor = sm.fit(
            folder / "train.csv",
            plan["target"],
            valid=folder / "valid.csv",
            out=out,
            ignore=plan["ignore"],
            seed=seed,
            pretrained=weights,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
        seconds = time.monotonic() - start
        fused = predictor.evaluate(folder / "test.csv")["metrics"]
        alone = {
            key: predictor.evaluate(folder / "test.csv", inputs=[key])["metrics"]["accuracy"]
            for key in predictor.readers
        }
    found = predictor.metrics["targets"][plan["target"]]
    return {
        "set": name,
        "seed": seed,
        "accuracy": fused["accuracy"],
        "macro_f1": fused["macro_f1"],
        "alone": alone,
        "valid": {
            "fused": found["valid"]["accuracy"]["value"],
            "majority": found["majority"]["accuracy"]["value"],
            "shares": found.get("shares"),
            **{
                kind: {key: scores["accuracy"]["value"] for key, scores in found[kind].items()}
                for kind in ("alone", "floors", "probes")
            },
        },
        "epochs": len(predictor.history),
        "stopped": predictor.metrics["stopped"],
        "warnings": predictor.metrics["warnings"],
        "seconds": {"fit": seconds, **predictor.metrics["seconds"]},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "precision": predictor.run["precision"],
        "refit": predictor.metrics["refit"],
        "threads": torch.get_num_threads(),
    }


def line(name: str, what: str, scores: list[dict[str, float]], floor: float | None) -> str:
    """One line of the table: the mean over seeds, the first seed's interval, the floor where there is one."""
    mean = statistics.mean(score["value"] for score in scores)
    interval = f"{scores[0]['low']:.3f}..{scores[0]['high']:.3f}"
    return f"| {name} | {what} | {mean:.3f} | {interval} | {len(scores)} | {'' if floor is None else f'{floor:.2f}'} |"


def table(results: list[dict[str, Any]], weights: bool = False) -> str:
    """The results as Markdown: a line a set and what was scored."""
    lines = [
        "# Real data, shipped weights" if weights else "# Real data, defaults",
        "",
        *(["Defaults but for `training.pretrained=true`.", ""] if weights else []),
        "Accuracy on test: the mean over seeds, and the 95 % bootstrap interval of the first seed. `only`: a model fitted on",
        "that input by itself. `alone`: the fused model with the other inputs absent. Floors: the best of logistic regression and SVM on simple hand-made",
        "features, given with the data. Seconds and memory are of one fit; seconds depend on what else the machine does.",
        "Refitted: with the validation rows, once all was measured; `not yet`: measured before fits did so.",
        f"Repeat with `python benchmarks/real.py --data FOLDER{' --weights' * weights}`.",
        "",
        "| set | what | accuracy | interval | seeds | floor |",
        "|---|---|---|---|---|---|",
    ]
    notes = [
        "",
        "| set | seeds | epochs | seconds | of it probes | peak MB | precision | linear part refitted |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, plan in SETS.items():
        runs = sorted((r for r in results if r["set"] == name and "input" not in r), key=lambda r: r["seed"])
        if not runs:
            continue

        floors = dict(plan["floors"])
        lines.append(line(name, "**fused**", [r["accuracy"] for r in runs], floors.pop("all", None)))
        lines.append(line(name, "fused, macro F1", [r["macro_f1"] for r in runs], None))
        for key in singles(name, weights):
            alone = sorted((r for r in results if r["set"] == name and r.get("input") == key), key=lambda r: r["seed"])
            if alone:
                lines.append(line(name, f"{key} only", [r["accuracy"] for r in alone], floors.get(key)))
        for key in runs[0]["alone"]:
            lines.append(line(name, f"{key} alone", [r["alone"][key] for r in runs], floors.pop(key, None)))
        lines += [f"| {name} | {key} (floor only) | | | | {value:.2f} |" for key, value in floors.items()]
        seconds = statistics.mean(r["seconds"]["fit"] for r in runs)
        probes = statistics.mean(r["seconds"]["probes"] for r in runs)
        peak = max(r["peak_mb"] for r in runs)
        epochs = ", ".join(str(r["epochs"]) for r in runs)
        notes.append(
            f"| {name} | {', '.join(str(r['seed']) for r in runs)} | {epochs} | {seconds:.0f} | {probes:.0f} | "
            f"{peak:.0f} | {runs[0]['precision']} | {'yes' if all(r.get('refit') for r in runs) else 'not yet'} |"
        )
    return "\n".join([*lines, *notes, ""])


def main() -> None:
    """Measure what is asked for and not there yet, each in a process of its own; write after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--one", nargs=3, metavar=("SET", "SEED", "INPUT"), help="measure one and print it; used by this program"
    )
    parser.add_argument("--weights", action="store_true", help="with the weights that sensorium[weights] installs")
    given = parser.parse_args()
    if given.one:
        name, seed, key = given.one
        folder = given.data / name
        found = (
            single(name, folder, int(seed), key, given.weights)
            if key
            else measure(name, folder, int(seed), given.weights)
        )
        print(json.dumps(found))
        return
    path = RESULTS / ("weights.json" if given.weights else "real.json")
    results = json.loads(path.read_text()) if path.exists() else []
    for seed in given.seeds:
        for name in [name for name in given.sets if not given.weights or name in WITH_WEIGHTS]:
            if not (given.data / name / "train.csv").is_file():
                print(f"{name}: skipped, {given.data / name} is not there", file=sys.stderr)
                continue
            for key in ("", *singles(name, given.weights)):
                if any(r["set"] == name and r["seed"] == seed and r.get("input", "") == key for r in results):
                    continue
                print(f"--- {name}, seed {seed} {key}", file=sys.stderr, flush=True)
                command = [sys.executable, __file__, "--data", str(given.data), "--one", name, str(seed), key]
                command += ["--weights"] * given.weights
                results.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
                RESULTS.mkdir(exist_ok=True)
                path.write_text(json.dumps(results, indent=1) + "\n")
                path.with_suffix(".md").write_text(table(results, given.weights))
    print(table(results, given.weights))


if __name__ == "__main__":
    main()
