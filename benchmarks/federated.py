"""Six speakers who keep their recordings: what a federation of them comes to, beside all rows in one place and each alone.

    python benchmarks/federated.py DIGITS [--seeds 0 1 2] [--only fedavg ...]

DIGITS holds train.csv, valid.csv and test.csv with the columns audio_noisy, image_weak, speaker and digit. Each speaker
learns from 120 rows; 100 more of each are kept out, and score everything. Every way goes over each row 24 times. Results are kept after each cell in results/federated.json, and go on from there.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from sensorium.data.table import read_table
from sensorium.federated.front import simulate
from sensorium.federated.library import need_flower

HERE = Path(__file__).parent / "results"
ROUNDS, PASSES = 12, 2
CONFIG = {  # small, so that all of it can be done on one processor
    "inputs": {
        "audio_noisy": {"modality": "audio", "encoder": {"type": "mfcc_cnn", "channels": [24, 48]}},
        "image_weak": {"modality": "image", "encoder": {"type": "cnn", "channels": [8, 16]}},
    },
    "fusion": {"width": 48},
    "training": {"batch_size": 16, "learning_rate": 4e-3},
}
CELLS = ("together", "alone", "fedavg", "longer", "fedprox", "fedadam", "away", "lacking", "secure")


def sides(folder: Path, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to learn from and those kept out: of each speaker and digit 12 and 10."""
    names = ["audio_noisy", "image_weak", "speaker", "digit"]
    rows = pd.concat([pd.read_csv(folder / f"{side}.csv", dtype=str)[names] for side in ("train", "valid", "test")])
    rows = rows.reset_index(drop=True)
    drawn = rows.groupby(["speaker", "digit"]).sample(22, random_state=seed)
    place = drawn.groupby(["speaker", "digit"]).cumcount()
    return drawn[place < 12], drawn[place >= 12]


def cell(name: str, rows: pd.DataFrame, test: pd.DataFrame, folder: Path, seed: int) -> dict:
    """The accuracy of one way to learn, on all speakers' rows, and what it cost."""
    start, common = time.monotonic(), {"media_root": folder, "seed": seed}
    held = read_table(test.drop(columns="speaker"), folder)

    def score(predictor) -> float:
        return predictor.evaluate(held)["metrics"]["accuracy"]["value"]

    def told(line: str) -> None:
        print(f"  {name} {seed} {time.monotonic() - start:.0f} s: {line}", flush=True)

    def learn(rows: pd.DataFrame, **more):
        terms = {"rounds": ROUNDS, "epochs": PASSES, "sites": 1, **more.pop("terms", {})}
        return simulate(rows, "digit", by="speaker", terms=terms, say=told, config=CONFIG, **common, **more)

    if name == "together":
        found = score(one_site(rows, folder, seed, told))
        return {"accuracy": found, "seconds": time.monotonic() - start}
    if name == "alone":
        each = {
            speaker: score(one_site(rows[rows.speaker == speaker], folder, seed, told))
            for speaker in sorted(set(rows.speaker))
        }
        return {"accuracy": float(np.mean(list(each.values()))), "each": each, "seconds": time.monotonic() - start}
    speakers, random = sorted(set(rows.speaker)), np.random.default_rng(seed)
    gone = {number: set(random.choice(speakers, 2, replace=False)) for number in range(2, ROUNDS)}
    kinds = {
        "fedavg": {}, "longer": {"terms": {"rounds": 3 * ROUNDS}}, "fedprox": {"terms": {"strategy": "fedprox", "proximal": 0.01}},
        "fedadam": {"terms": {"strategy": "fedadam"}},
        "away": {"away": lambda site, number: site in gone.get(number, ())},
        "lacking": {"lacks": [f"{speaker}:audio_noisy" for speaker in speakers[:3]]},
        "secure": {"terms": {"secure": True, "sites": 3}},
    }  # fmt: skip
    predictor = learn(rows, **kinds[name])
    history = predictor.history
    return {
        "accuracy": score(predictor),
        "rounds": history["digit/accuracy"].round(3).tolist(),
        "sites": history["sites"].tolist(),
        "MB_a_round": float(((history["sent"] + history["received"]) / 1e6).mean()),
        "refused": predictor.run["federated"]["refused"],
        "seconds": time.monotonic() - start,
    }


def one_site(rows: pd.DataFrame, folder: Path, seed: int, say):
    """A federation of one site, which is training in one place: see tests/federated/test_local.py."""
    need_flower()
    from sensorium.federated.grid import LocalGrid
    from sensorium.federated.options import Terms
    from sensorium.federated.rounds import Server
    from sensorium.federated.site import Site

    site = Site(read_table(rows.drop(columns="speaker"), folder), "all")
    given = {**CONFIG, "training": {**CONFIG["training"], "seed": seed}}
    terms = Terms(rounds=ROUNDS, epochs=PASSES, sites=1)
    return Server(LocalGrid({"all": site}), terms, given, ["digit"], say, lambda row: None).run()


def write(results: dict) -> None:
    """The figures as JSON, and as a table of means over seeds."""
    HERE.mkdir(exist_ok=True)
    (HERE / "federated.json").write_text(json.dumps(results, indent=1))
    lines = [
        "# Federated learning", "",
        "Noisy spoken and weak written digits of six speakers, each a site of 120 rows to learn from; accuracy on 600 rows of all",
        f"six, kept out. {ROUNDS} rounds of {PASSES} passes over the rows. `python benchmarks/federated.py DIGITS`.", "",
        "| | accuracy (mean of seeds) | each seed | MB a round, all sites |", "|---|---|---|---|",
    ]  # fmt: skip
    for name in CELLS:
        found = [told for key, told in sorted(results["cells"].items()) if key.split()[0] == name]
        if found:
            scores = [told["accuracy"] for told in found]
            size = f"{found[0]['MB_a_round']:.1f}" if "MB_a_round" in found[0] else "–"
            lines.append(
                f"| {WORDS[name]} | {np.mean(scores):.3f} | {', '.join(f'{s:.3f}' for s in scores)} | {size} |"
            )
    alone = results["cells"].get("alone 0")
    if alone:
        each = ", ".join(f"{name} {score:.3f}" for name, score in alone["each"].items())
        lines += ["", f"Each speaker alone (seed 0): {each}."]
    (HERE / "federated.md").write_text("\n".join([*lines, ""]))


WORDS = {
    "together": "all rows in one place",
    "alone": "each speaker alone (mean of six)",
    "fedavg": "FedAvg",
    "longer": "FedAvg, three times as many rounds",
    "fedprox": "FedProx, mu = 0.01",
    "fedadam": "FedAdam, rate 0.01",
    "away": "FedAvg, two of six away in each round but the first and last",
    "lacking": "FedAvg, three of six have no recordings",
    "secure": "FedAvg under SecAgg+",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("digits", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=CELLS, choices=CELLS)
    given = parser.parse_args()
    path = HERE / "federated.json"
    results = json.loads(path.read_text()) if path.exists() else {"cells": {}}
    for seed in given.seeds:
        rows, test = sides(given.digits, seed)
        for name in given.only:
            key = f"{name} {seed}"
            if key not in results["cells"]:
                results["cells"][key] = cell(name, rows, test, given.digits, seed)
                print(key, results["cells"][key], flush=True)
                write(results)
    write(results)


if __name__ == "__main__":
    main()
