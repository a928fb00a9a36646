"""What one step of a private training does."""

import math
from typing import Any

import torch
from torch import Tensor

from sensorium.data.batches import Batch
from sensorium.privacy.dp import Private
from sensorium.training.augment import augment, drop_modalities
from sensorium.training.module import NotFinite, TrainingModule

__all__ = ["PrivateModule"]


class PrivateModule(TrainingModule):
    """A TrainingModule that learns from noisy sums of the rows' own gradients, and stops where its budget is spent.

    The last epoch is taken for the best: which one the validation rows like best would tell of them.

    Args:
        private: the noise and the budget.
        given: of TrainingModule.
    """

    def __init__(self, private: Private, *given: Any):
        super().__init__(*given)
        self.private = private
        self.automatic_optimization = False  # gradients of rows are no gradient of a batch's loss

    def training_step(self, batch: Batch, index: int) -> None:
        # As in any training, but for the noise and the draws of rows, whose chance nobody is to know.
        torch.manual_seed(self.options.seed * 1_000_003 + self.global_step + 1)
        inputs = {}
        if len(batch.rows):
            inputs = augment(batch.inputs, self.modalities) if self.options.augment else batch.inputs
            inputs = drop_modalities(inputs, self.options.modality_dropout)
        optimiser = self.optimizers()
        loss = self.private.accumulate(optimiser.optimizer, self.model, batch, inputs, self.weights)
        if not math.isfinite(loss):
            raise NotFinite(
                f"the loss is {loss} at step {self.global_step} (epoch {self.current_epoch + 1}); {self._culprit(inputs)}. "
                f"Lower training.learning_rate ({self.options.learning_rate:g})."
            )
        optimiser.step()
        optimiser.zero_grad()
        self.lr_schedulers().step()
        self.private.steps += 1
        self.losses.append((loss, len(batch.rows)))

    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        if self.private.over:
            self.trainer.should_stop = True
            self.trainer.limit_val_batches = 1.0

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Nothing: the gradients are cut row by row."""

    def mean_loss(self) -> float:
        return super().mean_loss() if any(rows for _, rows in self.losses) else math.nan

    def configure_optimizers(self) -> Any:
        chosen = super().configure_optimizers()
        optimiser = self.private.optimiser(chosen["optimizer"])
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["privacy"] = self.private.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.private.history = checkpoint["privacy"]

    def _log_valid(self, loss: Tensor | float, **options: Any) -> None:
        self.log("valid_loss", loss, **options)
        self.log("choice", -float(self.current_epoch), **options)
