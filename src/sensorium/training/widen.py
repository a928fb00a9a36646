"""The wide part of a model: fitted before the network is trained, which learns what is left, and joined with it after."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sensorium.baselines.handmade import HandMade, below
from sensorium.baselines.rows import MOST_ROWS, known_rows
from sensorium.baselines.stacking import Stack, added, fit_layer, fit_stack, log_loss
from sensorium.baselines.wide import Wide
from sensorium.data.batches import Batch, Rows
from sensorium.data.targets import TargetCoder
from sensorium.encoders.features import Input
from sensorium.encoders.rows import present_rows
from sensorium.errors import ConfigError
from sensorium.model import MultimodalModel
from sensorium.training.shares import fit_shares

__all__ = [
    "DEEP", "DOUBT", "Beside", "Jury", "Stance", "Widened", "answer_alone", "final_layer", "fit_wide", "join", "kept_out",
    "learnable",
]  # fmt: skip

FEWEST = 30  # rows; with fewer there is nothing to stack
MOST_OUTPUTS = 300  # classes or labels; of more, the models take minutes
ENOUGH = 20_000  # rows, from which a network finds more than hand-made features tell
DOUBT = 0.3  # each share's deviation before the validation rows are seen


Sided = tuple[Rows, Mapping[str, Any]]  # rows, and the hand-made features of each


class Stance(NamedTuple):
    """How network and wide part go together.

    hidden: the chance that the network must answer a training row without the wide part; at 0 it would learn only what is
    left. None: it is trained by itself. belief: what both parts' logits should be multiplied by, before the validation rows
    are seen. begins: heads start at 0, so that the first answers are those of the wide part.
    """

    hidden: float | None
    belief: tuple[float, float]
    begins: bool = True


# Of few rows a linear model that tells much of the answer is the safer half, and the best epoch was chosen by few rows, which
# therefore praise the network too much. Else the network is: it learns better by itself, and is joined only by evidence.
LINEAR, DEEP = Stance(0.5, (0.3, 0.9)), Stance(None, (1.0, 0.0))
FEW_ROWS = 1000
MUCH = 0.3  # of the log-loss of the classes' frequencies alone, or of the variance


class Beside:
    """What a wide part says of a table's rows, none of which it learned from: a network beside it learns the rest.

    Args:
        modalities: the input of each group of features, in order.
        said: by target, what each group adds to each row's logits (N, M, K), and what is added besides (N, K).
    """

    def __init__(self, modalities: Sequence[str], said: Mapping[str, tuple[np.ndarray, np.ndarray]]):
        self.modalities = tuple(modalities)
        self.said = {name: tuple(torch.from_numpy(part).float() for part in parts) for name, parts in said.items()}

    def add(
        self, logits: Mapping[str, Tensor], places: Tensor, inputs: Mapping[str, Input], hidden: float = 0.0
    ) -> dict[str, Tensor]:
        """The network's logits and the wide part's, of the inputs that a row has left; none with probability `hidden`."""
        whole = torch.ones(len(places), dtype=torch.bool, device=places.device)  # of an input that is not asked
        seen = [present_rows(inputs[name].mask) if name in inputs else whole for name in self.modalities]
        left = torch.stack(seen, 1)  # (B, M)
        shown = torch.rand(len(places), 1, device=places.device) >= hidden
        found, places = dict(logits), places.cpu()
        for name, known in self.said.items():
            if name in found:
                parts, bias = (part[places].to(left.device) for part in known)
                said = ((parts * left[..., None]).sum(1) + bias) * shown  # (B, K)
                found[name] = found[name] + said.reshape(found[name].shape)
        return found


class Widened(NamedTuple):
    """A wide part, and what is needed to learn beside it.

    train, valid: what it says of training and of validation rows. tasks: each target's. final: layers (weight, bias) that
    learned from the validation rows, too.
    """

    wide: Wide
    train: Beside
    valid: Beside
    tasks: dict[str, str]
    stance: Stance
    final: Mapping[str, tuple[np.ndarray, np.ndarray]] = MappingProxyType({})

    def settle(self) -> None:
        """Take the final layers: once nothing is chosen or measured by the validation rows any more."""
        for name, layer in self.final.items():
            self.wide.settle(name, *layer)


class Jury:
    """Hears network and wide part on the validation rows, and scores them as they would answer together.

    Args:
        widened: what is beside the network.
        weights: of each target's loss.
    """

    def __init__(self, widened: Widened, weights: Mapping[str, float]):
        self.widened, self.tasks, self.weights = widened, widened.tasks, weights
        self.heard: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in self.tasks}

    @torch.no_grad()
    def hear(self, logits: Mapping[str, Tensor], batch: Batch) -> None:
        """Note a batch's logits of the network, and what stands beside them."""
        beside = self.widened.valid
        wide = beside.add(
            {name: torch.zeros_like(z, dtype=torch.float) for name, z in logits.items()}, batch.rows, batch.inputs
        )
        for name, network in logits.items():
            values, mask = batch.targets[name]
            parts = network.float(), wide[name], values
            self.heard[name].append(tuple(part[mask].detach().cpu().numpy() for part in parts))

    def shares(self) -> dict[str, list[float]]:
        """What the logits of network and wide part should be multiplied by, by target."""
        return {name: self._shares(name, *parts) for name, parts in self._parts().items()}

    def loss(self) -> float:
        """The log-loss with these shares (half the squared error of numbers), the weighted sum over targets."""
        total = 0.0
        for name, (network, wide, values) in self._parts().items():
            own = self._shares(name, network, wide, values)
            total += self.weights.get(name, 1.0) * log_loss(self.tasks[name], own[0] * network + own[1] * wide, values)
        return total

    def alone(self, name: str) -> float:
        """What the wide part's logits should be multiplied by where it answers a target alone."""
        _, wide, values = self._parts()[name]
        return fit_shares(self.tasks[name], lambda shares: shares[0] * wide, values, (1.0,), DOUBT)[0]

    def loss_of(self, name: str, of_network: float, of_wide: float) -> float:
        """The log-loss of a target with these shares."""
        network, wide, values = self._parts()[name]
        return log_loss(self.tasks[name], of_network * network + of_wide * wide, values)

    @property
    def heard_of(self) -> set[str]:
        """The targets with a value in some row."""
        return set(self._parts())

    def _shares(self, name: str, network: np.ndarray, wide: np.ndarray, values: np.ndarray) -> list[float]:
        belief = self.widened.stance.belief
        return fit_shares(
            self.tasks[name], lambda shares: shares[0] * network + shares[1] * wide, values, belief, DOUBT
        )

    def _parts(self) -> dict[str, tuple[np.ndarray, ...]]:
        """Of targets with a value in some row: logits of both (N, K), and the values."""
        found = {}
        for name, heard in self.heard.items():
            network, wide, values = (np.concatenate(part) for part in zip(*heard, strict=True))
            if len(values):
                found[name] = network.reshape(len(values), -1), wide.reshape(len(values), -1), values
        return found


def fit_wide(rows: Rows, valid: Rows, coders: Mapping[str, TargetCoder], seconds: float | None) -> Widened | None:
    """A `Wide` for these rows and targets; None where there are too few or too many rows, or too little time.

    Args:
        rows, valid: to learn from, and to validate with.
        coders: of the targets.
        seconds: that it may take, about; None: as many as it needs for MOST_ROWS.
    """
    chosen = learnable(rows, valid, coders, seconds)
    fitted = list(chosen)
    if not fitted:
        return None
    wide = Wide(rows.readers, fitted, tuple(rows.known))
    wide.features.fit(rows, np.unique(np.concatenate(list(chosen.values()))))
    features, others = (wide.features.matrix(part, np.arange(len(part))) for part in (rows, valid))
    train_said, valid_said, final, told = {}, {}, {}, []
    for name in fitted:
        places, coder = chosen[name], coders[name]
        own = {key: part[places] for key, part in features.items()}
        stack = fit_stack(coder.task, own, rows.targets[name][0][places], coder.outputs)
        wide.set_layer(name, stack.weight, stack.bias)
        train_said[name] = kept_out(stack, features, places)
        told.append(1 - stack.loss / stack.loss_of_frequencies)
        valid_said[name] = added(others, stack.weight), np.tile(stack.bias, (len(valid), 1))
        final[name] = final_layer(stack, coder, (rows, features), (valid, others), places)
    names = list(wide.features.source.values())
    tasks = {name: coder.task for name, coder in coders.items()}
    return Widened(
        wide.eval(),
        Beside(names, train_said),
        Beside(names, valid_said),
        tasks,
        LINEAR if len(rows) < FEW_ROWS and np.mean(told) > MUCH else DEEP,
        final,
    )


def kept_out(stack: Stack, features: Mapping[str, Any], places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a stack's layer adds to each row (N, M, K), and besides (N, K): to those at `places`, which it learned from, as
    models that did not see them."""
    parts = added(features, stack.weight)
    bias = np.tile(stack.bias, (len(parts), 1))
    parts[places], bias[places] = stack.kept_out, stack.kept_bias
    return parts, bias


def final_layer(
    stack: Stack, coder: TargetCoder, train: Sided, valid: Sided, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The layer (weight, bias) of a stack's models, fitted again to the training rows at `places` and the validation rows."""
    sides = [(*train, places), (*valid, known_rows(valid[0], coder))]
    features = {key: below([made[key][own] for _, made, own in sides]) for key in train[1]}
    target = np.concatenate([rows.targets[coder.name][0][own] for rows, _, own in sides])
    return fit_layer(coder.task, features, target, coder.outputs, stack.shares)


def learnable(
    rows: Rows, valid: Rows, coders: Mapping[str, TargetCoder], seconds: float | None
) -> dict[str, np.ndarray]:
    """The targets that a wide part can be fitted for, and the places of the rows that it learns each from.

    Args: see `fit_wide`.
    """
    if len(rows) > ENOUGH:
        return {}
    most = MOST_ROWS
    if seconds is not None:
        affordable = _affordable(rows, seconds)
        if len(rows) + len(valid) > 2 * affordable:
            return {}
        most = min(most, affordable)
    chosen = {name: known_rows(rows, coder, most) for name, coder in coders.items() if coder.outputs <= MOST_OUTPUTS}
    return {name: places for name, places in chosen.items() if len(places) >= FEWEST}


def _affordable(rows: Rows, seconds: float) -> int:
    """Rows that are read and whose features are made in a third of the time.

    Another third is for twice as many, which are not learned from as well, the last for the models.
    """
    few = np.linspace(0, len(rows) - 1, min(len(rows), 64)).astype(int)
    start = time.monotonic()
    HandMade(rows.readers).fit(rows, few)
    return int(seconds / 3 / (time.monotonic() - start) * len(few))


@torch.no_grad()
def join(model: MultimodalModel, widened: Widened, valid: Rows, size: int, cut_short: bool = False) -> None:
    """Make the wide part one of `model`, each target's shares by the validation rows.

    Args:
        model: trained.
        widened: with what it says of the validation rows.
        valid: rows that neither learned from.
        size: rows a batch.
        cut_short: the network had too little time, so the wide part answers alone where it does better so.
    """
    model.eval()
    jury = Jury(widened, {})
    for batch in valid.batches(size):
        jury.hear(model(batch.inputs), batch)
    for name, shares in jury.shares().items():
        if name in widened.wide.targets:
            widened.wide.set_shares(name, *shares)
            if cut_short and jury.loss_of(name, *(alone := (0.0, jury.alone(name)))) < jury.loss_of(name, *shares):
                widened.wide.set_shares(name, *alone)
    model.wide = widened.wide


@torch.no_grad()
def answer_alone(model: MultimodalModel, widened: Widened | None, valid: Rows, size: int) -> None:
    """Make the wide part all of `model`'s answer; of its network nothing is trained or asked.

    Args: as of `join`.

    Raises:
        ConfigError: it answers not all targets.
    """
    if widened is None or set(widened.wide.targets) != set(model.targets):
        raise ConfigError(
            "training.epochs=0 leaves the answers to the linear model of hand-made features, and there is none of every target: it takes "
            f"training.wide, {FEWEST} to {ENOUGH:,} rows, at most {MOST_OUTPUTS} classes, and time. Give epochs of 1 or more."
        )
    model.eval()
    jury, sizes = Jury(widened, {}), dict(zip(widened.wide.targets, widened.wide.outputs, strict=True))
    for batch in valid.batches(size):
        rows = len(batch.rows)
        jury.hear({name: torch.zeros(rows, k) if k > 1 else torch.zeros(rows) for name, k in sizes.items()}, batch)
    for name in widened.wide.targets:
        widened.wide.set_shares(name, 0.0, jury.alone(name) if name in jury.heard_of else 1.0)
    model.wide = widened.wide
