"""Which fusion learns what: every one of them on answers that are planted in vectors in six ways.

    python benchmarks/fusion.py [--seeds 3] [--tasks additive xor ...] [--fusions concat deep ...]

Every fit has the same encoders, width, optimiser and number of steps, and keeps the weights of its best validation loss.
What is best possible is known exactly, since the rows are drawn from a written law. One thread; seconds are processor
time, comparable within a run. Writes benchmarks/results/fusion.{json,md} when all tasks and fusions are asked for.
"""

import argparse
import copy
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sensorium.encoders import Features, Input, VectorDense
from sensorium.fusion import FUSIONS
from sensorium.heads import Binary
from sensorium.model import MultimodalModel

RESULTS = Path(__file__).parent / "results"
WIDTH, SIZE, PARTS = 64, 8, 4  # of the model, of a vector, tokens of the task `named`
TRAIN, VALID, TEST = 2000, 500, 4000  # rows
BATCH, EPOCHS, RATE = 64, 12, 3e-3


class Draw(NamedTuple):
    """Rows of a task: inputs, the chance that the answer is yes, and guesses (bool) to score beside the fusions."""

    inputs: dict[str, Input]
    chance: Tensor
    best: Tensor
    alone: list[Tensor]  # the best guess from each modality by itself


def all_there(values: Tensor) -> Input:
    return Input(values, torch.ones(len(values), dtype=torch.bool))


def told(signs: Tensor, noise: float) -> tuple[Tensor, Tensor]:
    """A vector with a sign (-1, 1) in it, the same place for all, and the log odds that it is 1, given the vector."""
    values = torch.randn(len(signs), SIZE) * noise
    values[:, 0] += signs
    return values, 2 * values[:, 0] / noise**2


def additive(rows: int, share: float = 0.0) -> Draw:
    """Three modalities, each with a third of the evidence; the log odds are their sum."""
    values = {name: torch.randn(rows, SIZE) for name in "abc"}
    there = {name: torch.rand(rows) >= share for name in "abc"}
    parts = torch.stack([2 * values[name][:, :2].sum(1) for name in "abc"])
    seen = parts * torch.stack([there[name] for name in "abc"])
    inputs = {name: Input(values[name], there[name]) for name in "abc"}
    return Draw(inputs, parts.sum(0).sigmoid(), seen.sum(0) > 0, [part > 0 for part in seen])


def absent(rows: int) -> Draw:
    """The same, where 4 in 10 of each modality are missing, from learning and from scoring."""
    return additive(rows, 0.4)


def one_of_five(rows: int) -> Draw:
    """Five modalities, of which one alone has evidence."""
    values = {name: torch.randn(rows, SIZE) for name in "abcde"}
    odds = 3 * values["c"][:, :2].sum(1)
    return Draw({name: all_there(x) for name, x in values.items()}, odds.sigmoid(), odds > 0, [odds > 0])


def xor(rows: int) -> Draw:
    """Two modalities, a noisy sign in each; the answer is whether they are equal. Neither alone knows anything."""
    signs = torch.randint(0, 2, (2, rows)) * 2.0 - 1
    (a, odds_a), (b, odds_b) = (told(sign, 0.5) for sign in signs)
    p, q = odds_a.sigmoid(), odds_b.sigmoid()
    chance = p * q + (1 - p) * (1 - q)
    return Draw({"a": all_there(a), "b": all_there(b)}, chance, chance > 0.5, [torch.ones(rows) > 0])


def conflict(rows: int) -> Draw:
    """a tells the answer and in 3 rows of 10 its opposite; b tells in which; c tells the answer faintly, always."""
    answer, wrong = torch.randint(0, 2, (rows,)) * 2.0 - 1, torch.where(torch.rand(rows) < 0.3, 1.0, -1.0)
    (a, said), (b, liar), (c, faint) = told(-answer * wrong, 0.5), told(wrong, 0.5), told(answer, 1.5)
    prior = math.log(0.3 / 0.7)
    # For either answer, the sum over a being right and wrong; told's odds s stand for a likelihood of exp(s / 2).
    right, lie = -(liar + prior) / 2, (liar + prior) / 2
    yes = torch.logaddexp(said / 2 + right, -said / 2 + lie) + faint / 2
    no = torch.logaddexp(-said / 2 + right, said / 2 + lie) - faint / 2
    alone = [said > 0, faint > 0]
    return Draw({"a": all_there(a), "b": all_there(b), "c": all_there(c)}, (yes - no).sigmoid(), yes > no, alone)


def named(rows: int) -> Draw:
    """A modality of four tokens, each with a name and a sign; another one names a token, whose sign is the answer."""
    names, asked = torch.rand(rows, PARTS).argsort(1), torch.randint(0, PARTS, (rows,))
    signs = torch.randint(0, 2, (rows, PARTS)) * 2.0 - 1
    parts = torch.cat(
        [nn.functional.one_hot(names, PARTS).float(), signs[..., None]], dim=2
    )  # (rows, PARTS, PARTS + 1)
    answer = (signs * (names == asked[:, None])).sum(1) > 0
    question = nn.functional.one_hot(asked, PARTS).float()
    return Draw(
        {"parts": all_there(parts), "question": all_there(question)}, answer.float(), answer, [signs.sum(1) > 0]
    )


TASKS: dict[str, Callable[[int], Draw]] = {
    "additive": additive,
    "absent": absent,
    "one_of_five": one_of_five,
    "xor": xor,
    "conflict": conflict,
    "named": named,
}


class Parts(nn.Module):
    """A linear layer over each part of a (B, T, size) input: a token each."""

    def __init__(self, size: int, width: int):
        super().__init__()
        self.width, self.linear = width, nn.Linear(size, width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return Features(self.linear(values), mask[:, None].expand(values.shape[:2]))


def make(inputs: dict[str, Input], fusion: str) -> MultimodalModel:
    encoders = {
        name: (Parts if values.dim() == 3 else VectorDense)(values.shape[-1], WIDTH)
        for name, (values, _) in inputs.items()
    }
    return MultimodalModel(encoders, FUSIONS[fusion](WIDTH, dropout=0.1), {"y": Binary(WIDTH)})


def some(inputs: dict[str, Input], rows: Tensor) -> dict[str, Input]:
    return {name: Input(values[rows], mask[rows]) for name, (values, mask) in inputs.items()}


def score(said: Tensor, chance: Tensor) -> float:
    """The share of right answers to expect: no coin is thrown for those that score."""
    return torch.where(said, chance, 1 - chance).mean().item()


def fit(task: str, fusion: str, seed: int) -> dict[str, Any]:
    """One fit, scored on fresh rows, with the law's own scores on the same rows beside it."""
    torch.manual_seed(seed)
    train, valid, test = (TASKS[task](rows) for rows in (TRAIN, VALID, TEST))
    answers, checks = torch.bernoulli(train.chance), torch.bernoulli(valid.chance)
    model = make(train.inputs, fusion)
    steps = EPOCHS * math.ceil(TRAIN / BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    lowest, kept = math.inf, {}
    start = time.process_time()
    for _ in range(EPOCHS):
        model.train()
        for rows in torch.randperm(TRAIN).split(BATCH):
            there = torch.ones(len(rows), dtype=torch.bool)
            loss = model.loss(model(some(train.inputs, rows)), {"y": (answers[rows], there)})
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            loss = model.loss(model(valid.inputs), {"y": (checks, torch.ones(VALID, dtype=torch.bool))}).item()
        if loss < lowest:
            lowest, kept = loss, copy.deepcopy(model.state_dict())
    seconds = time.process_time() - start
    model.load_state_dict(kept)
    with torch.no_grad():
        accuracy = score(model(test.inputs)["y"] > 0, test.chance)
    return {
        "task": task,
        "fusion": fusion,
        "seed": seed,
        "accuracy": accuracy,
        "best": score(test.best, test.chance),
        "alone": max(score(guess, test.chance) for guess in test.alone),
        "same": max(score(torch.full((TEST,), always), test.chance) for always in (True, False)),
        "seconds": seconds,
        "parameters": sum(p.numel() for p in model.fusion.parameters()),
    }


def spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ({min(values):.3f}..{max(values):.3f})"


def markdown(fits: list[dict[str, Any]], machine: dict[str, Any], seeds: int) -> str:
    tasks = list(dict.fromkeys(f["task"] for f in fits))

    def column(task: str, what: str, fusion: str | None = None) -> list[float]:
        return [f[what] for f in fits if f["task"] == task and fusion in (None, f["fusion"])]

    lines = [
        "# Which fusion learns what",
        "",
        f"Repeat with `python benchmarks/fusion.py`. Accuracy on {TEST} fresh rows after {TRAIN} to learn from; mean and",
        f"range of {seeds} seeds. Width {WIDTH}, {EPOCHS} epochs of batches of {BATCH}, AdamW at {RATE}, the weights of the",
        "lowest loss on 500 other rows. Encoders: one layer a vector or token. Seconds a fit, of one processor",
        f"({machine['machine']}, torch {machine['torch']}), and the fusion's parameters, are those of `{tasks[0]}`.",
        "",
        *(f"- `{name}`: {' '.join((TASKS[name].__doc__ or '').split())}" for name in tasks),
        "",
        f"| fusion | {' | '.join(tasks)} | seconds | parameters |",
        f"|---|{'---|' * (len(tasks) + 2)}",
    ]
    for what, words in (("best", "*best possible*"), ("alone", "*best modality alone*"), ("same", "*always the same*")):
        lines.append(f"| {words} | {' | '.join(f'{statistics.mean(column(t, what)):.3f}' for t in tasks)} | | |")
    for fusion in dict.fromkeys(f["fusion"] for f in fits):
        cells = " | ".join(spread(column(task, "accuracy", fusion)) for task in tasks)
        seconds = statistics.mean(column(tasks[0], "seconds", fusion))
        parameters = column(tasks[0], "parameters", fusion)[0]
        lines.append(f"| `{fusion}` | {cells} | {seconds:.1f} | {parameters:,} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--fusions", nargs="+", choices=sorted(FUSIONS), default=sorted(FUSIONS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    machine = {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    fits = []
    for seed in range(given.seeds):  # seeds outermost: what else the machine does meanwhile touches all alike
        for task in given.tasks:
            for fusion in given.fusions:
                fits.append(fit(task, fusion, seed))
                print(" ".join(f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in fits[-1].items()))
    text = markdown(fits, machine, given.seeds)
    print(text)
    if set(given.tasks) == set(TASKS) and set(given.fusions) == set(FUSIONS):
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "fusion.json").write_text(json.dumps({"machine": machine, "fits": fits}, indent=1) + "\n")
        (RESULTS / "fusion.md").write_text(text)


if __name__ == "__main__":
    main()
