"""Train a model on rows, with checkpoints to resume from."""

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping

from sensorium.config import Training
from sensorium.data.batches import Batch, EpochSampler, Rows
from sensorium.errors import ConfigError, TrainingError
from sensorium.model import MultimodalModel
from sensorium.pages import kept_pages
from sensorium.stopping import postponed
from sensorium.training.augment import augment
from sensorium.training.balance import AuxiliaryHeads, Balancer
from sensorium.training.checkpoints import BEST, CheckedFiles, Checkpoints, latest, read_checkpoint
from sensorium.training.domain import DomainAlignment
from sensorium.training.module import NotFinite, TrainingModule
from sensorium.training.precision import choose_precision
from sensorium.training.spread import Job, launcher
from sensorium.training.taught import Taught
from sensorium.training.team import ALONE, Team
from sensorium.training.widen import Widened

if TYPE_CHECKING:
    from sensorium.pretraining.objective import Objective
    from sensorium.privacy.dp import Private
    from sensorium.privacy.sampling import PoissonEpochs

__all__ = ["Trained", "measured_precision", "train"]


@dataclass
class Trained:
    """What a training came to: the reason it ended, a row of numbers for each epoch, and the best epoch's heads of
    single inputs, where it had some."""

    reason: str
    history: list[dict[str, float]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    heads: AuxiliaryHeads | None = None


class Epochs:
    """An epoch's batches each time it is gone through; counts the seconds in which they were waited for.

    Lightning keeps its state in checkpoints: an epoch that is gone on with begins after the batches that were done.

    Args:
        rows: that are read.
        size: rows a batch.
        sampler: of their order, to which Lightning tells the epoch; None: as they are.
        team: the processes that have each a part of every batch.
    """

    batch_sampler = None  # Lightning looks for one

    def __init__(self, rows: Rows, size: int, sampler: EpochSampler | None = None, team: Team = ALONE):
        self.rows, self.size, self.sampler, self.team, self.waited = rows, size, sampler, team, 0.0
        self.done = 0  # batches of the epoch
        count = len(rows) if sampler is None else len(sampler)
        if team.several and (count < team.size or size < 2 * team.size):
            raise ConfigError(
                f"{team.size} processes must have a row each, and two of a batch: there are {count} rows, {size} a batch. "
                "Take fewer workers or devices, or a larger training.batch_size."
            )
        # A last batch of one row has no batch statistics worth the name; its row comes elsewhere in the next epoch.
        rest = count % size
        alone = sampler is not None and count > size and 0 < rest < max(2, team.size)
        self.used = count - rest * alone
        self.starts = list(range(0, self.used, size))
        if sampler is None and len(self.starts) > 1 and 0 < rest < team.size:
            self.starts.pop()  # its rows go with the batch before

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Batch]:
        self.waited = 0.0
        self.done = self.done if self.done < len(self) else 0
        order = np.arange(self.used) if self.sampler is None else self.sampler.order()[: self.used]
        start = time.monotonic()
        for batch in self.rows.in_parts(
            [self.team.own(part) for part in np.split(order, self.starts[1:])[self.done :]]
        ):
            self.waited += time.monotonic() - start
            self.done += 1
            yield batch
            start = time.monotonic()

    def state_dict(self) -> dict[str, int]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.done = state["done"]


class Watch(Callback):
    """Keeps the history in the checkpoint, reports progress, and stops when the time is up."""

    def __init__(
        self, epochs: "Epochs | PoissonEpochs", deadline: float | None, report: Callable[[dict[str, Any]], None]
    ):
        self.epochs, self.deadline, self.report = epochs, deadline, report
        self.history: list[dict[str, float]] = []
        self.out_of_time = False
        self.rows, self.began, self.seconds = 0, time.monotonic(), 0.0  # of the epoch

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.history = list(state["history"])

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        self.rows, self.began = 0, time.monotonic()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        loss, rows = module.losses[-1]  # not that of `outputs`, which holds what stands beside the targets
        self.rows, self.seconds = self.rows + rows, time.monotonic() - self.began
        self._tell(trainer, loss)
        if self.deadline is not None and module.clock() > self.deadline and not trainer.should_stop:
            self.out_of_time = True
            trainer.should_stop = True
            trainer.limit_val_batches = 1.0

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        # Checkpoints are written after this, with the row in them.
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        valid = float(trainer.callback_metrics["valid_loss"])
        row = {"epoch": trainer.current_epoch + 1, "train_loss": module.mean_loss(), "valid_loss": valid}
        seconds = {"seconds": time.monotonic() - module.started, "waited": self.epochs.waited}
        more = {} if module.balancer is None else module.balancer.row()
        more |= {} if module.objective is None else module.objective.row()
        if module.alignment is not None:
            more |= {**module.alignment.row(), "choice": float(trainer.callback_metrics["choice"])}
        if module.private is not None:
            more |= {"epsilon": module.private.spent, "choice": float(trainer.callback_metrics["choice"])}
        self.history.append({**row, "learning_rate": rate, **seconds, **module.scores.row(), **more})
        self._tell(trainer, row["train_loss"], row=self.history[-1])

    def _tell(self, trainer: Any, loss: float, **more: Any) -> None:
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        told = {"step": trainer.global_step, "epoch": trainer.current_epoch + 1, "loss": loss, "learning_rate": rate}
        told |= {"rows": self.rows, "seconds": self.seconds, "waited": self.epochs.waited}
        self.report({**told, **more})


def train(
    model: MultimodalModel,
    rows: Rows,
    valid: Rows,
    options: Training,
    folder: Path,
    modalities: Mapping[str, str],
    weights: Mapping[str, float],
    started: float,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
    resume: bool = False,
    sampler: EpochSampler | None = None,
    balancer: Balancer | None = None,
    widened: Widened | None = None,
    objective: "Objective | None" = None,
    alignment: DomainAlignment | None = None,
    taught: Taught | None = None,
    say: Callable[[str], None] = lambda _: None,
    private: "Private | None" = None,
    team: Team = ALONE,
) -> Trained:
    """Train `model` in place and leave it with the weights of its best epoch by validation loss.

    Args:
        model: not trained yet.
        rows, valid: to learn from, to choose the epoch by.
        options: of the training, complete.
        folder: where checkpoints go, see `sensorium.training.checkpoints`.
        modalities: of each input.
        weights: of each target's loss.
        started: `time.monotonic()` when the time limit began to run.
        report: called after each step with step, epoch, loss, learning_rate, the steps and epochs there will be, and of
            the epoch so far rows, seconds and waited (s, for data); after each epoch once more, with its `row` of the
            history and its mean loss.
        resume: go on from the checkpoint in `folder`, where there is one.
        sampler: of the rows' order; every row once where left out.
        balancer: of the inputs; None: the fused loss alone.
        widened: a wide part, to whose answers the network's are added; None: the network answers alone.
        objective: in place of the targets' loss, for rows without labels.
        alignment: of domains, beside the loss; None: none.
        taught: another model's answers to the same rows, to be learned as well; None: none.
        say: called with lines of text.
        private: what makes the gradients of rows private, and draws the rows; the last epoch is then the best.
        team: the processes that train together, this one among them. Where it is alone, and others are to train (see
            `sensorium.training.spread`), they are given all this, and what they come to is taken.

    Raises:
        ConfigError: there is to be no epoch.
        TrainingError: the loss stopped being finite before any epoch ended.
    """
    if not options.epochs:
        raise ConfigError(
            "training.epochs must be 1 or more where a network is to learn; got 0, which is for a fit whose linear model "
            "answers alone. Give --epochs."
        )
    if not team.several and (launch := launcher()) is not None:
        given = {
            "model": model, "rows": rows, "valid": valid, "options": options, "modalities": dict(modalities),
            "weights": dict(weights), "sampler": sampler, "balancer": balancer, "widened": widened,
            "objective": objective, "alignment": alignment, "taught": taught, "private": private,
        }  # fmt: skip
        job = Job(given, folder, resume, time.monotonic() - started)
        return Trained(**job.take(launch(job, report, say)))
    size = options.batch_size * options.accumulate
    if private is None:
        loader = Epochs(rows, size, sampler or EpochSampler(len(rows), options.seed), team)
    else:
        loader = private.epochs(rows)
    valid_loader = Epochs(valid, options.batch_size, team=team)
    steps = len(loader) * options.epochs
    notes: list[str] = []

    def noted(line: str) -> None:
        say(line)
        notes.append(line)

    given = (
        model, options, modalities, weights, steps, started, balancer, widened, objective, alignment, taught, noted
    )  # fmt: skip
    module = TrainingModule(*given) if private is None else private.module(*given)
    module.join(team)
    stopping = EarlyStopping("choice", patience=options.patience, check_finite=False)
    # The probes and the last validation need some of the time too.
    deadline = None if options.time_limit is None else started + 0.8 * options.time_limit
    watch = Watch(loader, deadline, lambda told: report({**told, "steps": steps, "epochs": options.epochs}))

    def ended(trainer: Any) -> str | None:
        if watch.out_of_time:
            return "the time limit"
        if trainer.current_epoch + 1 >= options.epochs:
            return "all epochs done"
        if private is not None and private.over:
            return "the privacy budget is spent"
        return f"no better validation loss for {options.patience} epochs" if trainer.should_stop else None

    found = latest(folder, noted) if resume else None
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # its notes on devices and products
    with warnings.catch_warnings(), kept_pages(), postponed() as watcher:
        files = CheckedFiles()
        checkpoints = Checkpoints(folder, files, watcher, ended, noted, team)
        if found is not None:
            checkpoints.load_state_dict(found[1]["callbacks"][checkpoints.state_key])
        for text in QUIET:
            warnings.filterwarnings("ignore", text)
        own = {"plugins": [], "callbacks": [], **team.options}
        trainer = lightning.Trainer(
            max_epochs=options.epochs,
            precision="bf16-mixed" if options.precision == "bf16" else "32-true",
            callbacks=[watch, stopping, checkpoints, *own.pop("callbacks")],
            plugins=[files, *own.pop("plugins")],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **own,
        )
        try:
            if checkpoints.reason is None:
                path = None if found is None else found[0]
                trainer.fit(module, loader, valid_loader, ckpt_path=path, weights_only=True)
            else:  # it was stopped after the last epoch
                module.on_load_checkpoint(found[1])
                watch.load_state_dict(found[1]["callbacks"][watch.state_key])
        except NotFinite as error:
            if checkpoints.best is None:
                raise TrainingError(f"training stopped: {error}") from error
            checkpoints.reason = "the loss was not finite"
            noted(f"training stopped: {error} The weights of the best epoch before are kept.")
    if checkpoints.best is not None and team.rank == 0:  # who has written it
        state = checkpoints.held or read_checkpoint(folder / BEST)["state_dict"]
        model.load_state_dict(_part(module.whole(state), "model."))
        if balancer is not None:
            balancer.load_state_dict(_part(state, "balancer."))
    model.cpu().eval()
    heads = None if balancer is None else balancer.cpu().eval().heads
    return Trained(checkpoints.reason or "all epochs done", watch.history, notes, heads)


def _part(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """A module's own of the whole's weights."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


QUIET = [
    ".*number of training batches.*smaller than the logging interval.*",  # there is no logger
    ".*Checkpoint directory.*exists and is not empty.*",  # so it is meant, when resuming
    ".*GPU available but not used.*",
    ".*lr_scheduler.step.*",  # Lightning's order under resumed training
    ".*`broadcast_buffers` is deprecated.*",  # the newer name is not in every torch that goes
    ".*isinstance.treespec, LeafSpec.*",  # torch's, in Lightning's combined loader
    r".*module\(s\) in eval mode at the start of training.*",  # what is frozen is meant to be
]


def measured_precision(
    model: MultimodalModel,
    rows: Rows,
    options: Training,
    modalities: Mapping[str, str],
    objective: "Objective | None" = None,
) -> str:
    """The precision that `options.precision` comes to on this machine; the model's weights stay as they are."""
    if options.precision != "auto":
        return options.precision
    count = min(options.batch_size, len(rows))
    batch = rows.batch(range(count))
    saved = {name: value.clone() for name, value in model.state_dict().items()}

    def step() -> None:
        inputs = augment(batch.inputs, dict(modalities))
        if objective is not None:
            objective.loss(model, batch, inputs, training=True).backward()
        else:
            model.loss(model(inputs), batch.targets).backward()

    with kept_pages():
        chosen = choose_precision(options.precision, step)
    model.load_state_dict(saved)
    model.zero_grad(set_to_none=True)
    return chosen
