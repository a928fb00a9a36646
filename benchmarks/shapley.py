"""What Shapley values of a row's inputs cost, beside SHAP's kernel explainer on the same function in the same process.

    python benchmarks/shapley.py [--rows 100] [--repeats 3]

A network of five inputs (image, text, audio, video, columns), not trained: what it says does not change the cost. Explained
is the logit of each row's likeliest class, with inputs missing as `MultimodalModel.drop` makes them; SHAP is given the same
function of five zeros and ones and asked for all 32 subsets. A forward pass is one row of `--rows` through a part: the most
that any encoder, and that the fusion with its head, was called with, each divided by the rows. Needs shap
(pip install shap). Writes benchmarks/results/shapley.{json,md}.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shap
import torch

from sensorium import encoders, fusion, heads
from sensorium.data.targets import TargetCoder
from sensorium.encoders.features import Input
from sensorium.evaluation.calibration import Calibration
from sensorium.explain.shapley import pairs_of, shares_of_present
from sensorium.explain.subsets import answers_of_subsets, explained_number, subsets
from sensorium.model import MultimodalModel

RESULTS = Path(__file__).parent / "results"
CLASSES = 3
WIDTH = 64


def network() -> MultimodalModel:
    torch.manual_seed(0)
    parts = {
        "photo": encoders.ImageCNN(width=WIDTH, channels=(16, 32, 64)),
        "note": encoders.TextTransformer(vocabulary=1000, width=WIDTH, layers=2),
        "call": encoders.AudioMFCCRNN(width=WIDTH, sample_rate=8000),
        "clip": encoders.VideoCNN3D(width=WIDTH, channels=(8, 16)),
        "pose": encoders.VectorDense(size=16, width=WIDTH),
    }
    return MultimodalModel(
        parts, fusion.Gated(width=WIDTH), {"label": heads.Classification(classes=CLASSES, width=WIDTH)}
    ).eval()


def inputs(rows: int) -> dict[str, Input]:
    random = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> torch.Tensor:
        return torch.rand(rows, *shape, generator=random)

    def full(values: torch.Tensor, dims: int) -> Input:
        return Input(values, torch.ones(values.shape[:dims], dtype=torch.bool))

    words = torch.randint(2, 1000, (rows, 32), generator=random)
    return {
        "photo": full(noise(3, 64, 64), 1),
        "note": full(words, 2),
        "call": full(noise(16_000) - 0.5, 2),
        "clip": full(noise(8, 3, 32, 32), 2),
        "pose": full(noise(16), 1),
    }


class Ready:
    """Rows that are read already, as `answers_of_subsets` takes them: reading costs both explainers the same."""

    def __init__(self, given: dict[str, Input]):
        self.given = given

    def batches(self, size: int, order: Any = None) -> Any:
        from sensorium.data.batches import Batch

        count = len(self.given["pose"].values)
        for start in range(0, count, size):
            places = slice(start, start + size)
            part = {name: Input(i.values[places], i.mask[places]) for name, i in self.given.items()}
            yield Batch(part, {}, torch.arange(count)[places])


def ours(model: MultimodalModel, given: dict[str, Input]) -> np.ndarray:
    """(rows, inputs)"""
    coder = TargetCoder("label", "classification", ["a", "b", "c"], [1, 1, 1])
    coalitions, found = subsets(model.modalities), []
    for told in answers_of_subsets(model, Ready(given), coder, Calibration(), coalitions, 32):
        singles, _ = shares_of_present(coalitions, told.number, told.present)
        found.append(singles.T)
    return np.concatenate(found)


@torch.no_grad()
def theirs(model: MultimodalModel, given: dict[str, Input]) -> np.ndarray:
    """SHAP's kernel explainer, row by row: its function has one row and a subset of its inputs in each line."""
    found = []
    names = model.modalities
    for row in range(len(given["pose"].values)):
        one = {name: Input(i.values[row : row + 1], i.mask[row : row + 1]) for name, i in given.items()}
        explained = model(one)["label"].argmax(1)

        def number(subset: np.ndarray, one: dict[str, Input] = one, explained: torch.Tensor = explained) -> np.ndarray:
            there = torch.from_numpy(subset > 0.5)
            lines = len(there)
            several = {
                name: Input(i.values.expand(lines, *i.values.shape[1:]), i.mask.expand(lines, *i.mask.shape[1:])).keep(
                    there[:, place]
                )
                for place, (name, i) in enumerate((name, one[name]) for name in names)
            }
            logits = model(several)["label"]
            return explained_number("classification", logits[None], explained.expand(lines))[0].double().numpy()

        explainer = shap.KernelExplainer(number, np.zeros((1, len(names))))
        found.append(explainer.shap_values(np.ones((1, len(names))), nsamples=2 ** len(names), silent=True)[0])
    return np.stack(found)


def passes(model: MultimodalModel, explain: Callable[[], Any], rows: int) -> dict[str, float]:
    """Rows that went through the busiest encoder, and through the head, over the rows explained."""
    seen: dict[str, int] = {}

    def count(name: str) -> Callable[..., None]:
        def hook(_: Any, given: tuple[torch.Tensor, ...], __: Any) -> None:
            seen[name] = seen.get(name, 0) + len(given[0])

        return hook

    hooks = [model.encoder(name).register_forward_hook(count(name)) for name in model.modalities]
    hooks.append(model.head("label").register_forward_hook(count("head")))
    explain()
    for hook in hooks:
        hook.remove()
    return {"encoders": max(seen[n] for n in model.modalities) / rows, "fusion": seen["head"] / rows}


def measure(rows: int, repeats: int) -> dict[str, Any]:
    model, given = network(), inputs(rows)
    found: dict[str, Any] = {"rows": rows, "inputs": list(model.modalities), "processor": platform.processor()}
    with torch.no_grad():
        started = time.perf_counter()
        for start in range(0, rows, 32):
            model({n: Input(i.values[start : start + 32], i.mask[start : start + 32]) for n, i in given.items()})
        found["one pass, seconds"] = time.perf_counter() - started
    values = {}
    for name, explain in (("sensorium", ours), ("shap", theirs)):
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            values[name] = explain(model, given)
            seconds.append(time.perf_counter() - started)
        counted = passes(model, lambda explain=explain: explain(model, given), rows)
        found[name] = {"seconds": statistics.median(seconds), "all": seconds, "passes": counted}
    found["largest difference"] = float(np.abs(values["sensorium"] - values["shap"]).max())
    found["largest value"] = float(np.abs(values["sensorium"]).max())
    found["pairs besides"] = len(pairs_of(len(model.modalities)))
    return found


def table(found: dict[str, Any]) -> str:
    lines = [
        f"# Shapley values of {len(found['inputs'])} inputs for {found['rows']} rows",
        "",
        f"Inputs: {', '.join(found['inputs'])}. All 32 subsets of each row, no input read anew. Medians; one thread.",
        f"One plain pass of these rows: {found['one pass, seconds']:.2f} s. The largest difference of a value between the two is "
        f"{found['largest difference']:.1e} (largest value {found['largest value']:.2f}). Ours gives the values of "
        f"{found['pairs besides']} pairs besides. Repeat with `python benchmarks/shapley.py`.",
        "",
        "| | seconds | passes through the busiest encoder | passes through fusion and head |",
        "|---|---|---|---|",
    ]
    for name, words in (("sensorium", "sensorium"), ("shap", "shap.KernelExplainer")):
        told = found[name]
        encoded, fused = told["passes"]["encoders"], told["passes"]["fusion"]
        lines.append(f"| {words} | {told['seconds']:.2f} | {encoded:.0f} | {fused:.0f} |")
    lines += ["", f"SHAP takes {found['shap']['seconds'] / found['sensorium']['seconds']:.1f} times as long.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(given.rows, given.repeats)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "shapley.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "shapley.md").write_text(table(found))
    print(table(found))


if __name__ == "__main__":
    main()
