"""What can be done for rare classes after training: the head anew on frozen fused vectors, or answers by offsets."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.baselines.linear import fit_linear
from sensorium.build import build_head
from sensorium.config import Config
from sensorium.data.batches import Rows
from sensorium.data.targets import CLASSED, TargetCoder
from sensorium.errors import DataError
from sensorium.evaluation.metrics import macro_f1
from sensorium.evaluation.offsets import choose_offsets, cross_fitted
from sensorium.model import MultimodalModel
from sensorium.training.gan import VectorGAN, check_rows
from sensorium.training.widen import Beside, Widened

__all__ = ["AFTER", "LOSSES", "generated", "rebalance", "refit"]

AFTER = ("auto", "gan", "threshold")  # methods that leave the training as it is
LOSSES = ("class_weights", "class_balanced", "logit_adjustment", "focal")  # those that auto tries on the head alone
STEPS, BATCH, RATE = 300, 4096, 2e-2  # of a head, which is one layer
MOST_ROWS, KEPT = 50_000, 1000  # training rows looked at; of a class, before it is thinned out
MOST_MADE = 10_000  # generated vectors


def rebalance(
    model: MultimodalModel,
    rows: Rows,
    valid: Rows,
    coders: Mapping[str, TargetCoder],
    config: Config,
    deadline: float | None,
    widened: Widened | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Change heads in `model` and offsets in `coders` where macro F1 on the validation rows rises by it.

    Encoders and fusion stay: every training row is a vector, made once. `auto` compares the head as it was trained
    with heads trained on under each of LOSSES, with one trained on with generated vectors, and with offsets, which are
    scored on rows that they were not chosen on. `gan` and `threshold` compare themselves with the trained head alone.
    The scores chosen by are a little too good; other rows tell how good the choice is.

    Args:
        model: trained; in eval mode.
        rows, valid: to learn from, to choose by.
        coders: of the targets; those without classes are left alone.
        config: complete; a method that is none of AFTER does nothing.
        deadline: `time.monotonic()` after which no other variant is begun; auto then leaves the GAN out, too.
        widened: the wide part that is joined with the model.
        say: called with a line a target.

    Returns:
        by target: method, chosen, tried (by variant: macro_f1, seconds), skipped (by variant: why), and what is known of
        the gan where there was one. Empty where nothing is to be done.

    Raises:
        DataError: a class has too few rows for the method gan.
    """
    method = config.imbalance.method
    names = [name for name, coder in coders.items() if coder.task in CLASSED and valid.targets[name][1].any()]
    if method not in AFTER or not names:
        return {}
    chosen = np.unique(np.concatenate([_thinned(*rows.targets[name]) for name in names]))
    size = max(config.training.batch_size, 32)
    vectors, others = _fused(model, rows, size, chosen), _fused(model, valid, size)
    train_around, valid_around = (
        _around(model, part, size, places, beside)
        for part, places, beside in (
            (rows, chosen, widened and widened.train), (valid, None, widened and widened.valid)
        )
    )  # fmt: skip
    found = {}
    for name in names:
        values, mask = (part[chosen] for part in rows.targets[name])
        checked, there = valid.targets[name]
        train = vectors[mask], torch.from_numpy(values[mask]).long()
        around = train_around[name].of(torch.from_numpy(mask)), valid_around[name].of(torch.from_numpy(there))
        truth = others[there], checked[there].astype(int)
        variants = _Variants(model.head(name), train, truth, around, coders[name], config)
        found[name] = variants.best(deadline)
        say(f"target '{name}': {_told(found[name])}")
    return found


class Around(NamedTuple):
    """What stands beside a head in each row: the logits are scale * the head's + offset, both (N, ...) as the head's."""

    scale: Tensor
    offset: Tensor

    def __call__(self, logits: Tensor) -> Tensor:
        return self.scale * logits + self.offset

    def of(self, rows: Tensor | slice) -> "Around":
        """Of these rows."""
        return Around(self.scale[rows], self.offset[rows])


class _Variants:
    """One target's head, and what can be made of it."""

    def __init__(
        self,
        head: nn.Module,
        train: tuple[Tensor, Tensor],
        valid: tuple[Tensor, np.ndarray],
        around: tuple[Around, Around],
        coder: TargetCoder,
        config: Config,
    ):
        self.head, self.coder, self.config = head, coder, config
        self.around, self.valid_around = around
        (self.vectors, self.classes), (self.others, self.truth) = train, valid
        self.notes: dict[str, Any] = {}

    def best(self, deadline: float | None) -> dict[str, Any]:
        method, seed = self.config.imbalance.method, self.config.training.seed
        tried: dict[str, dict[str, float]] = {}
        skipped: dict[str, str] = {}
        heads = {"as_trained": self.head}
        as_trained = self._said(self.head)
        tried["as_trained"] = {"macro_f1": macro_f1(self.truth, as_trained), "seconds": 0.0}

        def run(kind: str, score: Callable[[], float]) -> None:
            start = time.monotonic()
            if deadline is not None and start > deadline:
                skipped[kind] = "no time left"
                return
            tried[kind] = {"macro_f1": score(), "seconds": time.monotonic() - start}

        def trained_on(kind: str, vectors: Tensor, classes: Tensor, around: Around) -> float:
            fresh = self._head("none" if kind == "gan" else kind)
            heads[kind] = refit(fresh, self.head, vectors, classes, around, seed)
            return macro_f1(self.truth, self._said(heads[kind]))

        if method in {"auto", "threshold"}:
            run("threshold", lambda: cross_fitted(self.truth, as_trained))
        if method == "auto":
            for kind in LOSSES:
                run(kind, lambda kind=kind: trained_on(kind, self.vectors, self.classes, self.around))
        if method in {"auto", "gan"}:
            try:
                check_rows(self.coder.name, self.coder.classes, self._counts())
            except DataError as error:
                if method == "gan":
                    raise
                skipped["gan"] = str(error)
            else:
                if len(set(self._counts())) == 1:
                    skipped["gan"] = "the classes have equally many rows"
                elif method == "auto" and deadline is not None:
                    skipped["gan"] = "a time limit is set"
                else:
                    run("gan", lambda: trained_on("gan", *self._with_generated(seed)))
        chosen = max(tried, key=lambda kind: tried[kind]["macro_f1"])  # of equals the first, which is as it was trained
        if chosen == "threshold":
            self.coder.offsets = [float(offset) for offset in choose_offsets(self.truth, as_trained)]
        else:
            self.head.load_state_dict(heads[chosen].state_dict())
        return {"method": method, "chosen": chosen, "tried": tried, "skipped": skipped, **self.notes}

    def _head(self, method: str) -> nn.Module:
        imbalance = self.config.imbalance.model_copy(update={"method": method})
        target = self.config.targets[self.coder.name].model_copy(update={"class_weights": "auto"})
        return build_head(self.coder, target, imbalance, self.head.width)

    @torch.no_grad()
    def _said(self, head: nn.Module) -> np.ndarray:
        return head.eval().probabilities(self.valid_around(head(self.others))).numpy()

    def _counts(self) -> list[int]:
        return self.classes.bincount(minlength=len(self.coder.classes)).tolist()

    def _with_generated(self, seed: int) -> tuple[Tensor, Tensor, Around]:
        """The training rows and generated ones; whether a linear model gains by them is noted.

        What stands beside the network of a generated row is that of a real row of its class.
        """
        made, of = generated(VectorGAN(self.vectors, self.classes, self.config.imbalance, seed), self._counts())
        vectors, classes = torch.cat([self.vectors, made]), torch.cat([self.classes, of])
        scores = {
            "real": self._linear(self.vectors, self.classes),
            "real_and_generated": self._linear(vectors, classes),
        }
        self.notes["gan"] = {"generated": len(made), "linear_macro_f1": scores}
        random = np.random.default_rng(seed)
        rows = [random.choice(np.flatnonzero(self.classes.numpy() == place)) for place in of.tolist()]
        like = torch.cat([torch.arange(len(self.classes)), torch.tensor(rows, dtype=torch.int64)])
        return vectors, classes, self.around.of(like)

    def _linear(self, vectors: Tensor, classes: Tensor) -> float:
        deviation, mean = torch.std_mean(self.vectors, dim=0, correction=0)
        train, other = ((part - mean) / (deviation + 1e-6) for part in (vectors, self.others))
        said = fit_linear(self.coder.task, train.numpy(), classes.numpy()).predict(other.numpy())
        return macro_f1(self.truth, np.eye(len(self.coder.classes))[said])


def refit(head: nn.Module, start: nn.Module, vectors: Tensor, classes: Tensor, around: Around, seed: int) -> nn.Module:
    """`head` trained by its own loss on fixed vectors, from the weights of `start`; the seed decides.

    Reference:
        Kang et al. 2020, Decoupling Representation and Classifier for Long-Tailed Recognition.

    Shape:
        vectors: (N, width). classes: (N,) int64.
    """
    head.load_state_dict(start.state_dict())
    head.train()
    optimiser = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, STEPS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(STEPS):
            drawn = torch.randint(len(vectors), (BATCH,)) if len(vectors) > BATCH else slice(None)
            optimiser.zero_grad()
            head.loss(around.of(drawn)(head(vectors[drawn])), classes[drawn]).backward()
            optimiser.step()
            schedule.step()
    return head.eval()


def generated(gan: VectorGAN, counts: list[int]) -> tuple[Tensor, Tensor]:
    """Vectors and their classes: as many as each class lacks beside the largest, MOST_MADE in all at most."""
    lacking = max(counts) - np.array(counts)
    lacking = (lacking * min(1.0, MOST_MADE / max(1, lacking.sum()))).astype(int)
    of = torch.arange(len(counts)).repeat_interleave(torch.from_numpy(lacking))
    return gan.sample(of), of


def _thinned(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Places of rows with a target, evenly thinned out to some MOST_ROWS; no class to fewer than KEPT."""
    known = np.flatnonzero(mask)
    share = MOST_ROWS / max(1, len(known))
    if share >= 1:
        return known
    groups = [known[values[known] == place] for place in np.unique(values[known])]
    counts = [max(int(share * len(group)), min(len(group), KEPT)) for group in groups]
    return np.concatenate([g[np.linspace(0, len(g) - 1, n).astype(int)] for g, n in zip(groups, counts, strict=True)])


@torch.no_grad()
def _fused(model: MultimodalModel, rows: Rows, size: int, chosen: np.ndarray | None = None) -> Tensor:
    """(rows, width): what the heads read."""
    model.eval()
    return torch.cat([model.fusion(model.encode(batch.inputs)) for batch in rows.batches(size, chosen)])


@torch.no_grad()
def _around(
    model: MultimodalModel, rows: Rows, size: int, chosen: np.ndarray | None, beside: Beside | None
) -> dict[str, Around]:
    """What stands beside the heads of these rows, by target; `beside`: what the wide part says of them."""
    found: dict[str, list[Around]] = {name: [] for name in model.targets}
    for batch in rows.batches(size, chosen):
        nothing = {name: torch.zeros_like(z) for name, z in model.heads_of(model.encode(batch.inputs)).items()}
        ones = {name: torch.ones_like(z) for name, z in nothing.items()}
        if model.single is None:
            without, whole = nothing, ones
        else:
            own = model.single.encode(batch.inputs)
            without, whole = model.single.mix(nothing, own), model.single.mix(ones, own)
        added = nothing if beside is None else beside.add(nothing, batch.rows, batch.inputs)
        for name in model.targets:
            wide = model.wide is not None and name in model.wide.targets
            network, other = model.wide.shares(name) if wide else (1.0, 0.0)
            offset = network * without[name] + other * added[name]
            found[name].append(Around(network * (whole[name] - without[name]), offset))
    return {n: Around(*map(torch.cat, zip(*parts, strict=True))) for n, parts in found.items()}


def _told(found: Mapping[str, Any]) -> str:
    tried, chosen = found["tried"], found["chosen"]
    scores = ", ".join(f"{kind} {score['macro_f1']:.3f}" for kind, score in tried.items())
    note = " Answers change by it, probabilities do not." if chosen == "threshold" else ""
    return f"for rare classes, {chosen.replace('_', ' ')} is taken (macro F1 on validation rows: {scores}).{note}"
