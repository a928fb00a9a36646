"""What one step of training does."""

import math
import time
from collections.abc import Mapping
from typing import Any

import lightning
import torch
from torch import Tensor

from sensorium.config import Training
from sensorium.data.batches import Batch
from sensorium.errors import TrainingError
from sensorium.model import MultimodalModel
from sensorium.training.augment import augment, drop_modalities

__all__ = ["NotFinite", "TrainingModule"]


class NotFinite(TrainingError):
    """The loss is not a finite number any more; the weights of the last good epoch are still there."""


class TrainingModule(lightning.LightningModule):
    """A model with its loss, its optimiser and what is done to a training batch.

    Args:
        model: what is trained.
        options: of the training.
        modalities: of each input, for the augmentation.
        weights: of each target's loss.
        steps: optimiser steps of the whole training.
        started: `time.monotonic()` when the time limit began to run.
    """

    def __init__(
        self,
        model: MultimodalModel,
        options: Training,
        modalities: Mapping[str, str],
        weights: Mapping[str, float],
        steps: int,
        started: float,
    ):
        super().__init__()
        self.model, self.options, self.weights = model, options, dict(weights)
        self.modalities, self.steps, self.started = dict(modalities), steps, started

    def on_train_epoch_start(self) -> None:
        self.losses: list[tuple[float, int]] = []

    def training_step(self, batch: Batch, index: int) -> Tensor:
        # All chance of a step comes from its number: a resumed run goes on as if it had never stopped. Seeding an epoch
        # is not enough, since making the loader's iterator draws a number too, at another moment when resuming.
        torch.manual_seed(self.options.seed * 1_000_003 + self.global_step + 1)
        inputs = augment(batch.inputs, self.modalities) if self.options.augment else batch.inputs
        inputs = drop_modalities(inputs, self.options.modality_dropout)
        loss = self.model.loss(self.model(inputs), batch.targets, self.weights)
        if not torch.isfinite(loss):
            raise NotFinite(
                f"the loss is {loss.item()} at step {self.global_step} (epoch {self.current_epoch + 1}); "
                f"{self._culprit(inputs)}. Lower training.learning_rate ({self.options.learning_rate:g}), "
                "or set training.precision=32."
            )
        self.losses.append((loss.item(), len(batch.rows)))
        return loss

    def mean_loss(self) -> float:
        """Over the rows of this epoch so far."""
        return sum(loss * rows for loss, rows in self.losses) / sum(rows for _, rows in self.losses)

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        # Not by Lightning's option: under bf16 it refuses fused optimisers, though nothing is scaled there.
        torch.nn.utils.clip_grad_norm_(self.parameters(), self.options.gradient_clip)

    def validation_step(self, batch: Batch, index: int) -> None:
        loss = self.model.loss(self.model(batch.inputs), batch.targets, self.weights)
        self.log("valid_loss", loss, batch_size=len(batch.rows))

    def configure_optimizers(self) -> Any:
        decayed = [p for p in self.parameters() if p.ndim > 1]
        rest = [p for p in self.parameters() if p.ndim <= 1]  # norms and biases: decay only hurts them
        groups = [
            {"params": decayed, "weight_decay": self.options.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=self.options.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _factor(self, step: int) -> float:
        """Linear warm-up, then a cosine to 2 % (or no change); under a time limit, by what is further, steps or time."""
        done = step / max(1, self.steps)
        if self.options.time_limit is not None:
            done = max(done, (time.monotonic() - self.started) / self.options.time_limit)
        done = min(done, 1.0)
        if done < self.options.warmup:
            return max(done / self.options.warmup, 1e-2)
        if self.options.schedule == "constant":
            return 1.0
        rest = (done - self.options.warmup) / (1 - self.options.warmup)
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * rest))

    def _culprit(self, inputs: dict[str, Any]) -> str:
        """Which input, or its encoder, gave numbers that are not finite."""
        for name, (values, _) in inputs.items():
            if values.is_floating_point() and not torch.isfinite(values).all():
                return f"input '{name}' holds values that are not finite"
        with torch.no_grad():
            for name, features in self.model.encode(inputs).items():
                if not torch.isfinite(features.tokens[features.mask]).all():
                    return f"the encoder of input '{name}' gives values that are not finite"
        return "every encoder gives finite values, so it is the fusion or a head"
