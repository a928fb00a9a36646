"""DP-SGD of one training."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import torch

from sensorium.config import Privacy, Training
from sensorium.data.batches import Batch, Rows
from sensorium.encoders.features import Features, Input
from sensorium.errors import ConfigError
from sensorium.model import MultimodalModel
from sensorium.privacy.accountant import Spent, affordable, epsilon_of, noise_for, opacus
from sensorium.privacy.gradients import choose_gradients
from sensorium.privacy.sampling import PoissonEpochs

__all__ = ["Private", "build_private"]

MEMORY = 256 * 2**20  # bytes of gradients of rows that are held at once, where no number of rows is given
MOST = 64  # rows at once; more are no faster
DELTA = 1e-5  # at most, where none is given


class Private:
    """The noise of a training, the gradients of its rows, and what of the budget is spent.

    Each step draws every row with one probability, cuts each row's gradient to a length of `clip` at most, adds noise to
    their sum, and divides by the rows expected. Chance comes from the system: known noise could be taken off again.

    Reference:
        Abadi et al. 2016, Deep Learning with Differential Privacy; the optimiser and the accountant are Opacus'.

    Args:
        options: of the privacy; epsilon is given.
        delta: complete.
        rows: to learn from.
        training: of the training, complete.
        gradients: of `choose_gradients`.
        physical: rows whose gradients are held at once.
        parameters: those that learn, and all.
    """

    def __init__(
        self,
        options: Privacy,
        delta: float,
        rows: int,
        training: Training,
        gradients: Callable[..., Any],
        physical: int,
        parameters: tuple[int, int],
    ):
        self.options, self.delta, self.rows = options, delta, rows
        self.batch_size = training.batch_size * training.accumulate
        self.rate, self.per_epoch = self.batch_size / rows, -(-rows // self.batch_size)
        self.planned = self.per_epoch * training.epochs
        self.gradients, self.physical, self.parameters = gradients, physical, parameters
        if options.noise is None:
            self.noise = noise_for(options.epsilon, delta, self.rate, self.planned)
        else:
            self.noise = options.noise
        self.before: list[Spent] = []  # by trainings that this one goes on with, at another noise or rate
        self.steps = 0
        self._allowed: int | None = None

    @property
    def history(self) -> list[Spent]:
        return [*self.before, (self.noise, self.rate, self.steps)]

    @history.setter
    def history(self, history: list[Spent]) -> None:
        """What was spent before training goes on."""
        self.before, self.steps, self._allowed = [tuple(part) for part in history], 0, None
        if self.before and self.before[-1][:2] == (self.noise, self.rate):
            self.steps = self.before.pop()[2]

    @property
    def spent(self) -> float:
        return epsilon_of(self.history, self.delta, min(0.01, self.options.epsilon / 100))

    @property
    def over(self) -> bool:
        """Whether one step more could come to more than the budget."""
        if self._allowed is None:
            self._allowed = affordable(
                self.before, self.noise, self.rate, self.options.epsilon, self.delta, self.planned
            )
        return self.steps >= self._allowed

    def epochs(self, rows: Rows) -> PoissonEpochs:
        return PoissonEpochs(rows, self.rate, self.per_epoch)

    def module(self, *given: Any) -> Any:
        """What trains, for what a `sensorium.training.module.TrainingModule` is given."""
        from sensorium.privacy.module import PrivateModule  # here: Lightning is loaded for training alone

        return PrivateModule(self, *given)

    def optimiser(self, inner: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Opacus' around another, which then sees noisy gradients alone."""
        with opacus():
            from opacus.optimizers import DPOptimizer
        generator = torch.Generator(device=inner.param_groups[0]["params"][0].device)
        return DPOptimizer(
            inner,
            noise_multiplier=self.noise,
            max_grad_norm=self.options.clip,
            expected_batch_size=self.batch_size,
            generator=generator.manual_seed(secrets.randbits(63)),
            secure_mode=self.options.secure_noise,
        )

    def accumulate(
        self,
        optimiser: Any,
        model: MultimodalModel,
        batch: Batch,
        inputs: Mapping[str, Input],
        weights: Mapping[str, float],
    ) -> float:
        """Leave the gradients of a batch's rows with the optimiser, some rows at a time, ready for its step.

        Returns:
            the mean loss of the rows; 0 where there is none.
        """
        count, total = len(batch.rows), 0.0
        starts = range(0, count, self.physical)
        for start in starts:
            rows = slice(start, start + self.physical)
            part = {name: _rows(given, rows) for name, given in inputs.items()}
            targets = {name: (values[rows], mask[rows]) for name, (values, mask) in batch.targets.items()}
            found, losses = self.gradients(model, part, targets, weights)
            total += losses.sum().item()
            for name, parameter in model.named_parameters():
                if parameter.requires_grad:
                    parameter.grad_sample = found[name]
            if start != starts[-1]:
                optimiser.signal_skip_step(True)
                optimiser.step()  # cuts and adds them, and no more
                optimiser.zero_grad()
        if not count:
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.grad_sample = parameter.new_zeros(0, *parameter.shape)
        optimiser.signal_skip_step(False)
        return total / max(1, count)


def build_private(
    options: Privacy,
    training: Training,
    model: MultimodalModel,
    rows: Rows,
    weights: Mapping[str, float],
    say: Callable[[str], None],
) -> Private | None:
    """The privacy of a training; None where none is asked for.

    Raises:
        ConfigError: a batch larger than the table, a budget that can't be met, a layer that can't be private.
    """
    if options.epsilon is None:
        return None
    count, size = len(rows), training.batch_size * training.accumulate
    if size > count:
        raise ConfigError(
            f"training.batch_size must be at most the rows to learn from ({count}) under privacy.epsilon; got {size}. "
            "Each row is drawn with the probability batch_size / rows."
        )
    delta = min(DELTA, 0.1 / count) if options.delta == "auto" else options.delta
    if delta >= 1 / count:
        say(
            f"warning: privacy.delta is {delta:.2g}, 1 / rows ({1 / count:.2g}) or more: a method that publishes a whole row would "
            "keep to it. Leave it out, or take a smaller one."
        )
    batch = rows.batch(range(min(2, count)))
    gradients, reason = choose_gradients(model, batch.inputs, batch.targets, weights)
    if reason is not None:
        say(f"privacy: gradients are computed row by row, which is slow: {reason}")
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    physical = options.physical_batch or max(1, min(MOST, MEMORY // (4 * max(1, learning))))
    whole = sum(parameter.numel() for parameter in model.parameters())
    private = Private(options, delta, count, training, gradients, physical, (learning, whole))
    if private.over:
        raise ConfigError(
            f"privacy.noise is too small for one step within privacy.epsilon ({options.epsilon:g}); got {private.noise:g}. "
            "Leave it out: it is found from epsilon."
        )
    say(
        f"privacy: epsilon {options.epsilon:g} at delta {delta:.2g}; noise {private.noise:.3g} x the clip of "
        f"{options.clip:g}; {private.planned} steps of {size} of {count} rows each, {physical} at once."
    )
    return private


def _rows(given: Input, rows: slice) -> Input:
    known = None if given.known is None else Features(*(part[rows] for part in given.known))
    return Input(given.values[rows], given.mask[rows], known)
