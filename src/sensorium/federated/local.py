"""What a site does with its rows in a round: passes over them from the weights it was given."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sensorium.config import Training
from sensorium.data.batches import EpochSampler, Rows
from sensorium.model import MultimodalModel
from sensorium.training.loop import Epochs
from sensorium.training.module import TrainingModule

__all__ = ["Pace", "learn", "shared_state"]


@dataclass(frozen=True)
class Pace:
    """Which part of a training is done.

    Args:
        round: from 0.
        rounds: of the whole training.
        epochs: passes over the rows in a round.
        proximal: weight mu of half the squared distance from the weights that the round began with (FedProx); 0: none.
    """

    round: int = 0
    rounds: int = 1
    epochs: int = 1
    proximal: float = 0.0


class LocalModule(TrainingModule):
    """A step as of any training, counted over all rounds, without a trainer."""

    steps_done, epochs_done = 0, 0

    @property
    def global_step(self) -> int:
        return self.steps_done

    @property
    def current_epoch(self) -> int:
        return self.epochs_done


def shared_state(model: MultimodalModel) -> dict[str, Tensor]:
    """What of a model goes between server and sites: what learns, and the running statistics; not what is frozen."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {n: v for n, v in model.state_dict().items() if v.is_floating_point() and n not in frozen}


def learn(
    model: MultimodalModel,
    rows: Rows,
    options: Training,
    modalities: Mapping[str, str],
    weights: Mapping[str, float],
    pace: Pace,
) -> tuple[float, list[bool]]:
    """Train `model` in place, as `sensorium.training.loop.train` would: AdamW, begun anew, at the rate of that part.

    Args:
        model: with the weights that the round begins with.
        rows: to learn from.
        options: of the training, complete.
        modalities: of each input.
        weights: of each target's loss.
        pace: which round it is.

    Returns:
        The mean loss; for each tensor of `shared_state`, whether these rows changed it. One that no row reached, such as
        of the encoder of an input that no row has, stays as it was: weight decay alone is no learning.

    Raises:
        NotFinite: the loss is not a finite number.

    Reference:
        McMahan et al. 2017, Communication-Efficient Learning of Deep Networks from Decentralized Data; Li et al. 2020,
        Federated Optimization in Heterogeneous Networks, for the proximal term.
    """
    sampler = EpochSampler(len(rows), options.seed)
    loader = Epochs(rows, options.batch_size, sampler)
    each = len(loader) * pace.epochs
    module = LocalModule(model, options, modalities, weights, each * pace.rounds, time.monotonic())
    module.steps_done = each * pace.round
    optimiser = module.configure_optimizers()["optimizer"]
    before = {name: value.clone() for name, value in shared_state(model).items()}
    reached: set[str] = set()
    losses: list[tuple[float, int]] = []
    for epoch in range(pace.round * pace.epochs, (pace.round + 1) * pace.epochs):
        sampler.set_epoch(epoch)
        module.epochs_done = epoch
        module.train()
        module.on_train_epoch_start()
        for index, batch in enumerate(loader):
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * module._factor(module.steps_done)
            optimiser.zero_grad()
            module.training_step(batch, index).backward()
            _reach(model, before, reached, pace.proximal)
            module.on_before_optimizer_step(optimiser)
            optimiser.step()
            module.steps_done += 1
        losses += module.losses
    model.eval()
    return sum(loss * count for loss, count in losses) / sum(count for _, count in losses), _settle(
        model, before, reached
    )


def _reach(model: MultimodalModel, before: Mapping[str, Tensor], reached: set[str], proximal: float) -> None:
    """Note which parameters the loss reaches, and add the gradient of the proximal term to theirs."""
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        if name not in reached and parameter.grad.any():
            reached.add(name)
        if proximal:
            parameter.grad.add_(parameter.detach() - before[name], alpha=proximal)


def _settle(model: MultimodalModel, before: Mapping[str, Tensor], reached: set[str]) -> list[bool]:
    """Put back what was not reached; of each tensor, whether it was."""
    parameters = {name for name, _ in model.named_parameters()}
    trained = []
    for name, value in shared_state(model).items():
        changed = name in reached if name in parameters else not torch.equal(value, before[name])
        if not changed:
            value.copy_(before[name])
        trained.append(changed)
    return trained


def set_state(model: MultimodalModel, given: Mapping[str, Any]) -> None:
    """Take the weights of `given`, by name, (arrays or tensors)."""
    for name, value in shared_state(model).items():
        value.copy_(torch.as_tensor(given[name]))
