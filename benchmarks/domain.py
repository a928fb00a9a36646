"""What alignment of domains does for a speaker who is heard in training without labels, and for one who is not heard at all.

    python benchmarks/domain.py --data FOLDER [--seeds 0 1 2] [--column audio_noisy] [--methods none dann ...]

FOLDER holds digits, with train.csv, valid.csv and test.csv; without it nothing is measured. Spoken digits are learned from
some rows of the speakers of train.csv. Half of the rows of valid.csv, of another speaker, are given without labels for the
alignment alone; the other half is scored, and so is test.csv, of a speaker that nothing was known of. The best epoch is
chosen by rows of the training speakers, in every method. One thread. Writes benchmarks/results/domain.{json,md} when all
methods and three seeds or more are asked for.
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

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"
METHODS = ("none", "dann", "coral", "mmd")
ROWS, EPOCHS, BATCH = 400, 25, 32  # rows to learn from; a quarter of them a speaker
SCORED = ("unlabelled speaker", "unheard speaker")


def parts(folder: Path, column: str, seed: int) -> dict[str, pd.DataFrame]:
    """The rows of each purpose, media by whole path."""
    tables = {
        name: pd.read_csv(folder / f"{name}.csv")[[column, "speaker", "digit"]] for name in ("train", "valid", "test")
    }
    for table in tables.values():
        table[column] = [str(folder / cell) for cell in table[column]]
    count = ROWS // tables["train"]["speaker"].nunique()
    train = tables["train"].groupby("speaker").sample(count, random_state=seed)
    mixed = tables["valid"].sample(frac=1, random_state=seed)
    half = len(mixed) // 2
    scored = dict(zip(SCORED, (mixed[half:], tables["test"]), strict=True))
    return {"train": train, "unlabelled": mixed[:half], **scored}


def measure(folder: Path, column: str, method: str, seed: int, weight: float | None = None) -> dict[str, Any]:
    """One fit: accuracy by speaker, how well a linear model tells the speaker from what is fused, processor seconds."""
    import sensorium as sm

    rows = parts(folder, column, seed)
    aligned: dict[str, Any] = {}
    if method != "none":
        options = {"column": "speaker", "method": method, **({} if weight is None else {"weight": weight})}
        aligned = {"domain": options, "unlabelled": rows["unlabelled"]}
    start = time.process_time()
    predictor = sm.fit(
        rows["train"], "digit", config={"inputs": {column: {"modality": "audio"}}, "targets": {"digit": {"task": "classification"}}},
        seed=seed, epochs=EPOCHS, batch_size=BATCH, patience=EPOCHS, probes=False, wide=False, precision="32", threads=1,
        **aligned,
    )  # fmt: skip
    seconds = time.process_time() - start
    scores = {name: predictor.evaluate(rows[name])["metrics"]["accuracy"]["value"] for name in SCORED}
    valid = predictor.metrics["targets"]["digit"]["valid"]["accuracy"]["value"]
    told = speaker_told(predictor, pd.concat([rows["train"], rows["unlabelled"]]))
    return {
        "method": method, "seed": seed, "column": column, "weight": predictor.metrics.get("domain", {}).get("weight"),
        "accuracy": {"training speakers": valid, **scores}, "speaker told": told, "seconds": seconds,
    }  # fmt: skip


def speaker_told(predictor: Any, rows: pd.DataFrame) -> float:
    """Accuracy of logistic regression from the fused vector to the speaker, over five folds."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from sensorium.data.batches import Rows
    from sensorium.data.table import read_table

    fused = []
    with torch.no_grad():
        for batch in Rows(read_table(rows), predictor.readers).batches(BATCH):
            fused.append(predictor.model.fusion(predictor.model.encode(batch.inputs)).numpy())
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float(cross_val_score(model, np.concatenate(fused), rows["speaker"].to_numpy(), cv=5).mean())


def markdown(fits: list[dict[str, Any]], machine: dict[str, Any], column: str) -> str:
    seeds = sorted({fit["seed"] for fit in fits})

    def mean(found: list[float], digits: int = 3) -> str:
        return f"{statistics.mean(found):.{digits}f} ({min(found):.{digits}f}..{max(found):.{digits}f})"

    names = list(fits[0]["accuracy"])
    lines = [
        "# Alignment of domains",
        "",
        f"Repeat with `python benchmarks/domain.py --data FOLDER`. Spoken digits, `{column}` alone: {ROWS} rows of four speakers to",
        "learn from (15 % of them choose the epoch), 250 rows without labels of a fifth speaker, whose other 250 rows are scored,",
        f"and 500 rows of a sixth. Mean and range of accuracy over {len(seeds)} seeds; {EPOCHS} epochs of batches of {BATCH}, no linear model beside",
        "the network. Speaker told: how often logistic regression tells the speaker of a row from what is fused (five speakers,",
        "250 of 650 rows of one). Seconds of one processor a fit",
        f"({machine['machine']}, torch {machine['torch']}). So few rows and epochs are for a small machine's sake: compare lines, not with other tables.",
        "",
        f"| method | weight | {' | '.join(names)} | speaker told | seconds |",
        f"|---|---|{'---|' * (len(names) + 2)}",
    ]
    for method in dict.fromkeys(fit["method"] for fit in fits):
        own = [fit for fit in fits if fit["method"] == method]
        cells = [mean([fit["accuracy"][name] for fit in own]) for name in names]
        weight = "" if own[0]["weight"] is None else f"{own[0]['weight']:g}"
        told = mean([fit["speaker told"] for fit in own])
        seconds = statistics.mean(fit["seconds"] for fit in own)
        lines.append(f"| `{method}` | {weight} | {' | '.join(cells)} | {told} | {seconds:.0f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure what is asked for; seeds outermost, so that what else the machine does meanwhile touches all alike."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--column", choices=["audio", "audio_noisy"], default="audio")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--weight", type=float, help="of every method; its own where left out")
    given = parser.parse_args()
    folder = (given.data / "digits").resolve()
    if not (folder / "train.csv").is_file():
        print(f"digits: skipped, {folder} is not there", file=sys.stderr)
        return
    warnings.filterwarnings("ignore", ".*ConvergenceWarning.*|.*lbfgs.*")
    machine = {"machine": platform.machine(), "python": platform.python_version(), "torch": version("torch")}
    fits = []
    for seed in given.seeds:
        for method in given.methods:
            fits.append(measure(folder, given.column, method, seed, given.weight))
            print(json.dumps(fits[-1]), file=sys.stderr, flush=True)
    text = markdown(fits, machine, given.column)
    print(text)
    if set(given.methods) == set(METHODS) and len(given.seeds) >= 3 and given.weight is None:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "domain.json").write_text(json.dumps({"machine": machine, "fits": fits}, indent=1) + "\n")
        (RESULTS / "domain.md").write_text(text)


if __name__ == "__main__":
    main()
