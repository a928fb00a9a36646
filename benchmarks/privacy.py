"""What privacy costs: scores at several budgets, and the time and memory of gradients of rows.

    python benchmarks/privacy.py dp --data FOLDER [--seeds 0 1 2] [--epsilons inf 8 3 1] [--tables digits exercises]

FOLDER holds digits and exercises, each with train.csv, valid.csv and test.csv; without it only the cost is measured, of made-up
rows. One thread. Every section that is asked for takes its place in benchmarks/results/privacy.{json,md}; the others stay.
"""

import argparse
import json
import math
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).parent / "results"
SECTIONS = ("dp",)
HEADS = {"dp": "## Scores at a budget, and the cost of gradients of rows"}
TABLES: dict[str, dict[str, Any]] = {
    # Small networks from scratch; every option was written before anything was measured.
    "digits": {
        "target": "digit",
        "columns": ["audio", "image"],
        "media": ["audio", "image"],
        "config": {
            "inputs": {
                "audio": {"modality": "audio", "encoder": {"type": "mfcc_cnn", "channels": [32, 32]}},
                "image": {"modality": "image", "encoder": {"type": "flat_cnn", "channels": [8, 16]}},
            },
            "fusion": {"type": "concat", "width": 32},
            "training": {"epochs": 12, "batch_size": 200, "learning_rate": 0.004},
        },
    },
    # A frozen network of text with little on top of it.
    "exercises": {
        "target": "primary_muscle",
        "columns": ["first_step", "force", "level", "mechanic", "equipment", "category"],
        "media": [],
        "config": {
            "inputs": {
                "first_step": {"modality": "text", "encoder": {"type": "pretrained", "model": "minilm-l6"}},
                "columns": {"modality": "tabular", "columns": ["force", "level", "mechanic", "equipment", "category"]},
            },
            "fusion": {"type": "concat", "width": 32},
            "training": {"epochs": 30, "batch_size": 124, "learning_rate": 0.01},
        },
    },
}
COMMON = {"threads": 1, "probes": False, "wide": False, "augment": False, "modality_dropout": 0.0, "precision": "32"}
ROWS, STEPS = 64, 5  # of the cost


def read(folder: Path, name: str, side: str) -> pd.DataFrame:
    """A table, media by whole path."""
    told = TABLES[name]
    table = pd.read_csv(folder / name / f"{side}.csv")[[*told["columns"], told["target"]]]
    for column in told["media"]:
        table[column] = [str(folder / name / cell) for cell in table[column]]
    return table


def score(folder: Path, name: str, epsilon: float, seed: int) -> dict[str, Any]:
    """One fit: accuracy and macro F1 on the test rows. An infinite budget: the same network, trained as usual."""
    import sensorium as sm

    told, start = TABLES[name], time.process_time()
    options = {**told["config"]["training"], **COMMON}
    config = {key: value for key, value in told["config"].items() if key != "training"}
    privacy = {"privacy": epsilon} if math.isfinite(epsilon) else {}
    config |= {"imbalance": "none", "balance": "none"}
    sides = [read(folder, name, side) for side in ("train", "valid", "test")]
    run = sm.fit(sides[0], told["target"], valid=sides[1], config=config, seed=seed, **privacy, **options)
    found = run.evaluate(sides[2])["metrics"]
    spent = run.metrics.get("privacy", {})
    row = {
        "table": name, "epsilon": epsilon if math.isfinite(epsilon) else None, "seed": seed,
        "accuracy": found["accuracy"]["value"], "macro_f1": found["macro_f1"]["value"],
        "seconds": time.process_time() - start, "noise": spent.get("noise"), "spent": spent.get("epsilon"),
        "delta": spent.get("delta"),
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    return row


def network(kind: str) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """A model of one kind of input, beside a vector, and ROWS made-up rows for it."""
    import torch

    from sensorium import encoders, fusion, heads
    from sensorium.encoders import Input
    from sensorium.model import MultimodalModel
    from sensorium.privacy.norms import without_batch_norm

    torch.manual_seed(0)
    there = torch.ones(ROWS, dtype=torch.bool)
    made = {
        "columns": lambda: (encoders.Tabular(64, 8, (5, 5)), torch.rand(ROWS, 10), there[:, None].expand(-1, 10)),
        "image cnn": lambda: (encoders.ImageCNN(64, (16, 32)), torch.rand(ROWS, 3, 32, 32), there),
        "text transformer": lambda: (
            encoders.TextTransformer(1000, 64, 2),
            torch.randint(2, 1000, (ROWS, 32)),
            there[:, None].expand(-1, 32),
        ),
        "text rnn": lambda: (
            encoders.TextRNN(1000, 64),
            torch.randint(2, 1000, (ROWS, 32)),
            there[:, None].expand(-1, 32),
        ),
        "audio cnn": lambda: (
            encoders.AudioMFCCCNN(64, 8000, channels=(32, 32)),
            torch.randn(ROWS, 8000),
            there[:, None].expand(-1, 8000),
        ),
    }
    encoder, values, mask = made[kind]()
    model = MultimodalModel({"x": encoder}, fusion.Concat(64), {"y": heads.Classification(10, 64)})
    without_batch_norm(model)
    return model, {"x": Input(values, mask)}, {"y": (torch.randint(0, 10, (ROWS,)), there)}


KINDS = ("columns", "image cnn", "text transformer", "text rnn", "audio cnn")
WAYS = ("plain", "together", "one by one")


def cost(kind: str, way: str) -> dict[str, Any]:
    """Processor seconds of the gradients of ROWS rows, the least of STEPS, and memory beyond what there was before, MB."""
    import torch

    from sensorium.privacy.gradients import one_by_one, together

    torch.set_num_threads(1)
    model, inputs, targets = network(kind)
    model.train()

    def step() -> Any:
        if way == "plain":
            model.zero_grad()
            return model.loss(model(inputs), targets).backward()
        return (together if way == "together" else one_by_one)(model, inputs, targets, {})

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = []
    for _ in range(STEPS):
        start = time.process_time()
        step()
        spent.append(time.process_time() - start)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    weights = sum(parameter.numel() for parameter in model.parameters())
    return {"kind": kind, "way": way, "seconds": min(spent), "memory": memory, "parameters": weights}


def costs() -> list[dict[str, Any]]:
    """Each in a process of its own, whose peak of memory is its own, too."""
    found = []
    for kind in KINDS:
        for way in WAYS:
            done = subprocess.run(
                [sys.executable, __file__, "cost", "--kind", kind, "--way", way],
                capture_output=True,
                text=True,
                check=True,
            )
            found.append(json.loads(done.stdout))
            print(done.stdout.strip(), flush=True)
    return found


def dp(given: argparse.Namespace) -> dict[str, Any]:
    scores = []
    if given.data is not None:
        for name in given.tables:
            for seed in given.seeds:
                scores += [score(given.data, name, epsilon, seed) for epsilon in given.epsilons]
    return {"scores": scores, "costs": [] if given.no_costs else costs()}


def told_dp(found: dict[str, Any]) -> str:
    """The section in Markdown."""
    parts = []
    if found["scores"]:
        parts.append(
            "Test rows, mean (least-most) over the seeds. At no budget the same network is trained as usual: with batch norm, best "
            "epoch, batches of one size. digits: 2000 rows, a CNN of sound and one of pictures from scratch; exercises: 620 rows of "
            "17 classes, a frozen network of text, and columns. delta 1e-5."
        )
        lines = ["| table | epsilon | noise | seeds | accuracy | macro F1 |", "|---|---|---|---|---|---|"]
        for name in TABLES:
            rows = [row for row in found["scores"] if row["table"] == name]
            for epsilon in dict.fromkeys(row["epsilon"] for row in rows):
                own = [row for row in rows if row["epsilon"] == epsilon]
                noise = own[0]["noise"]
                lines.append(
                    f"| {name} | {'none' if epsilon is None else f'{epsilon:g}'} | {'–' if noise is None else f'{noise:.2f}'} | "
                    f"{len(own)} | "
                    f"{_spread([row['accuracy'] for row in own])} | {_spread([row['macro_f1'] for row in own])} |"
                )
        parts.append("\n".join(lines))
    if found["costs"]:
        parts.append(
            f"Gradients of {ROWS} rows with one thread, as ratios to a batch's one gradient (plain): processor seconds, the least "
            f"of {STEPS}; memory beyond the process before its first step."
        )
        lines = [
            "| encoder | parameters | plain | all rows together | one by one | memory, plain | together | one by one |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for kind in KINDS:
            plain, together, single = (
                next(row for row in found["costs"] if (row["kind"], row["way"]) == (kind, way)) for way in WAYS
            )
            lines.append(
                f"| {kind} | {plain['parameters']:,} | {plain['seconds'] * 1000:.0f} ms | "
                f"{together['seconds'] / plain['seconds']:.1f} x | {single['seconds'] / plain['seconds']:.1f} x | "
                f"{plain['memory']:.0f} MB | {together['memory']:.0f} MB | {single['memory']:.0f} MB |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"


def write(section: str, found: dict[str, Any], told: str) -> None:
    """Put a section's results beside those of the others."""
    path = RESULTS / "privacy.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    about = {name: version(name) for name in ("torch", "opacus")} | {"python": platform.python_version()}
    results[section] = {**found, "versions": about, "told": told}
    path.write_text(json.dumps(results, indent=1) + "\n")
    parts = ["# What privacy costs", f"`python benchmarks/privacy.py {' '.join(results)} --data FOLDER`"]
    parts += [f"{HEADS[name]}\n\n{results[name]['told']}" for name in HEADS if name in results]
    (RESULTS / "privacy.md").write_text("\n\n".join(parts) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section", choices=(*SECTIONS, "cost"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[math.inf, 8.0, 3.0, 1.0])
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--no-costs", action="store_true")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    if given.section == "cost":
        print(json.dumps(cost(given.kind, given.way)))
        return
    found = dp(given)
    told = told_dp(found)
    print(told)
    if not given.dry:
        write("dp", found, told)


if __name__ == "__main__":
    main()
