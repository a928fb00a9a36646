"""Do explanations inside an input name what the model rests on? Deletion and insertion curves on real data.

    python benchmarks/explain.py --data FOLDER [--sets digits cook exercises lips] [--rows 20] [--runs FOLDER]

Each input of some test rows is cut into pieces: 64 patches of a picture, the words of a text, 32 spans of a recording,
up to 200 boxes of a clip (and of its pictures), the cells of columns. Deletion takes them away, those that speak most for the answer first; insertion
begins with nothing and adds them in that order. What is measured is the predicted class' logit of the whole model, all
other inputs present, its mean over the curve; beside it stands the same in random orders. Good orders fall faster and
rise faster: both gaps are above 0. A fit with the defaults a set, kept in the folder of --runs if one is given.
FOLDER as for benchmarks/real.py. Writes benchmarks/results/explain.{json,md}; what is in the JSON is not measured again.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import sensorium as sm
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.audio import spans
from sensorium.explain.attribution.image import patches, unit
from sensorium.explain.attribution.motion import motion_boxes
from sensorium.explain.attribution.pieces import Pieces
from sensorium.explain.attribution.tabular import filled_cells
from sensorium.explain.attribution.text import tokenized, word_pieces
from sensorium.explain.attribution.video import boxes
from sensorium.explain.parts import Part, explain_parts

sys.path.insert(0, str(Path(__file__).parent))
from real import SETS

RESULTS = Path(__file__).parent / "results"
STEPS = 10  # of a curve
ORDERS = 4  # random ones a row
METHODS = {
    "audio": ("integrated_gradients", "shapley"),
    "image": ("integrated_gradients", "grad_cam", "shapley"),
    "motion": ("integrated_gradients", "shapley"),
    "tabular": ("shapley",),
    "text": ("integrated_gradients", "shapley"),
    "video": ("integrated_gradients", "shapley"),
}


def cut_up(answer: Answer, rows: Rows, place: int, kind: str) -> tuple[Pieces, Any]:
    """An input's pieces, and what sums up a part's values over each of them."""
    if kind == "text":
        told = tokenized(answer, rows, place)
        pieces = word_pieces(answer, told)
        of = pieces.of[told.share.argmax(0)]  # of each word, the piece of the token that most of it is in
        return pieces, lambda part: totals(of, part.values, pieces.count + 1)[:-1]
    if kind == "tabular":
        pieces, filled = filled_cells(answer, rows)
        return pieces, lambda part: part.values[filled]
    if kind == "audio":
        pieces = spans(answer, answer.values.float())

        def summed(part: Part) -> np.ndarray:
            frames = part.values.sum(2)  # (items, frames)
            return np.concatenate(
                [
                    np.bincount(
                        np.minimum(
                            np.arange(frames.shape[1]) * part.shown["samples"] * 32 // (frames.shape[1] * len(sound)),
                            31,
                        ),
                        row,
                        32,
                    )
                    for row, sound in zip(frames, part.shown["sounds"], strict=True)
                ]
            )

        return pieces, summed
    if kind == "motion":
        pieces = motion_boxes(answer, rows.readers[answer.modality])
    else:
        pieces = (patches if kind == "image" else boxes)(answer, unit(answer.values))
    return pieces, lambda part: totals(pieces.of, part.values, pieces.count)


def totals(of: torch.Tensor, values: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(of.numpy().ravel(), np.asarray(values, dtype=np.float64).ravel(), count)


def curves(answer: Answer, pieces: Pieces, order: np.ndarray) -> tuple[float, float]:
    """The mean logit while pieces are taken away in this order, and while they are added in it."""
    rank = np.argsort(order)  # of each piece
    counts = np.unique(np.linspace(0, pieces.count, STEPS + 1).round().astype(int))[:, None]
    left = torch.from_numpy(np.concatenate([rank >= counts, rank < counts]))
    told = answer.whole(*pieces.take(left)).double().numpy()
    return float(told[: len(counts)].mean()), float(told[len(counts) :].mean())


def measure(predictor: sm.Predictor, name: str, places: list[int], data: Path) -> list[dict[str, Any]]:
    """A result a row, input and method."""
    target, epochs = SETS[name]["target"], predictor.config.training.epochs
    table = read_table(data / name / "test.csv")
    rows, model = Rows(table, predictor.readers), predictor.model
    random, found = np.random.default_rng(0), []
    for place in places:
        inputs = rows.batch([place]).inputs
        with torch.no_grad():
            output = int(model(inputs)[target][0].argmax())
        for key, reader in predictor.readers.items():
            if not inputs[key].mask.any():
                continue
            answer = Answer(model, inputs, target, output, key)
            pieces, summed = cut_up(answer, rows, place, reader.modality)
            if pieces.count < 3:
                continue
            chance = np.mean([curves(answer, pieces, random.permutation(pieces.count)) for _ in range(ORDERS)], 0)
            for method in METHODS[reader.modality]:
                start = time.monotonic()
                part = explain_parts(model, rows, place, target, output, [key], method)[key]
                seconds = time.monotonic() - start
                deletion, insertion = curves(answer, pieces, np.argsort(-summed(part), kind="stable"))
                lacks = None if part.expected is None else abs(part.total - part.expected)
                found.append(
                    {
                        "set": name,
                        "input": key,
                        "kind": reader.modality,
                        "row": place,
                        "epochs": epochs,
                        "method": method,
                        "deletion": chance[0] - deletion,
                        "insertion": insertion - chance[1],
                        "lacks": lacks,
                        "expected": part.expected,
                        "seconds": seconds,
                    }
                )
    return found


def interval(values: list[float]) -> str:
    """The mean and its 95 % bootstrap interval."""
    drawn = np.random.default_rng(0).choice(values, (2000, len(values))).mean(1)
    return f"{np.mean(values):+.2f} ({np.quantile(drawn, 0.025):+.2f}..{np.quantile(drawn, 0.975):+.2f})"


def table(results: list[dict[str, Any]]) -> str:
    lines = [
        "# Explanations inside inputs against random orders",
        "",
        "Gaps of the mean logit of the predicted class over the curve, above that of random orders, with 95 % bootstrap",
        "intervals over test rows; `better`: the share of rows in which the gap is above 0. `lacks`: the median of what the",
        "values lack to what they should add up to. Shapley values take away the same pieces that are measured by, which favours",
        "them. Epochs: at most. Seconds: median a row, and depend on what else the machine does.",
        "By itself `sensorium explain` takes gradients where the networks say more of an input than the linear part of the model,",
        "and Shapley values where not: gradients reach networks alone, so that pictures which count by their hand-made features",
        "(cook, exercises) are no better ordered by them than at random.",
        "Repeat with `python benchmarks/explain.py --data FOLDER`.",
        "",
        "| set | epochs | input | method | rows | deletion | better | insertion | better | lacks | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, key, method in dict.fromkeys((r["set"], r["input"], r["method"]) for r in results):
        runs = [r for r in results if (r["set"], r["input"], r["method"]) == (name, key, method)]
        gaps = []
        for curve in ("deletion", "insertion"):
            values = [r[curve] for r in runs]
            gaps += [interval(values), f"{np.mean(np.array(values) > 0):.0%}"]
        lacks = np.median([r["lacks"] for r in runs])
        seconds = np.median([r["seconds"] for r in runs])
        lines.append(
            f"| {name} | {runs[0]['epochs']} | {key} | {method} | {len(runs)} | {' | '.join(gaps)} | {lacks:.3f} | {seconds:.2f} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--epochs", type=int, help="of a fit, at most; the default's where left out")
    given = parser.parse_args()
    path = RESULTS / "explain.json"
    results = json.loads(path.read_text()) if path.exists() else []
    for name in given.sets:
        if any(r["set"] == name for r in results):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            out = (given.runs or Path(scratch)) / name
            if not (out / "run.json").exists():
                folder, plan = given.data / name, SETS[name]
                settings = [] if given.epochs is None else [f"training.epochs={given.epochs}"]
                print(f"--- fitting {name}", file=sys.stderr, flush=True)
                sm.fit(
                    folder / "train.csv",
                    plan["target"],
                    valid=folder / "valid.csv",
                    out=out,
                    ignore=plan["ignore"],
                    probes=False,
                    settings=settings,
                )
            predictor = sm.load(out)
        print(f"--- explaining {name}", file=sys.stderr, flush=True)
        count = len(read_table(given.data / name / "test.csv"))
        places = np.random.default_rng(0).permutation(count)[: given.rows].tolist()
        results += measure(predictor, name, places, given.data)
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n")
        (RESULTS / "explain.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
