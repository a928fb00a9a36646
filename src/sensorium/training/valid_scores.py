"""The score of the validation rows in every epoch, for those who watch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.data.batches import Batch
from sensorium.evaluation.metrics import MAIN
from sensorium.heads import Binary, Classification, Multilabel, Regression

__all__ = ["ValidScores"]

TASKS = {Binary: "binary", Classification: "classification", Multilabel: "multilabel", Regression: "regression"}


class ValidScores:
    """The main metric of each target, batch by batch: accuracy of classes, micro F1 of labels, R2 of numbers.

    It is that of the logits: no calibration, no thresholds. Of texts, which would have to be written first, there is none.

    Args:
        heads: by target.
    """

    def __init__(self, heads: Mapping[str, nn.Module]):
        self.tasks = {name: TASKS[type(head)] for name, head in heads.items() if type(head) in TASKS}
        self.sums = {name: np.zeros(4) for name in self.tasks}

    @torch.no_grad()
    def hear(self, logits: Mapping[str, Tensor], batch: Batch) -> None:
        """Count a batch's rows, of each target those that have it."""
        for name in self.tasks:
            values, mask = batch.targets[name]
            self.add(name, *(part[mask].float().cpu().numpy() for part in (logits[name], values)))

    def add(self, target: str, logits: np.ndarray, values: np.ndarray) -> None:
        """Count rows: logits (N,) or (N, K), values as the head's loss takes them."""
        task, logits, values = self.tasks[target], logits.astype(np.float64), values.astype(np.float64)
        if task == "regression":
            found: Any = (values.size, values.sum(), (values**2).sum(), ((values - logits) ** 2).sum())
        elif task == "multilabel":
            found = (2 * values[logits > 0].sum(), values.sum() + (logits > 0).sum(), 0, 0)
        else:
            answers = logits > 0 if task == "binary" else logits.argmax(1)
            found = ((answers == values).sum(), len(values), 0, 0)
        self.sums[target] += found

    def row(self) -> dict[str, float]:
        """For the history: valid_METRIC, of several targets valid_METRIC TARGET; NaN where no row tells it."""
        several = len(self.tasks) > 1
        return {
            f"valid_{MAIN[task]}" + (f" {name}" if several else ""): self._value(task, self.sums[name])
            for name, task in self.tasks.items()
        }

    @staticmethod
    def _value(task: str, sums: np.ndarray) -> float:
        if task == "regression":
            count, total, squares, errors = sums
            spread = squares - total**2 / max(count, 1)
            return float(1 - errors / spread) if spread > 1e-12 * squares else float("nan")
        return float(sums[0] / sums[1]) if sums[1] else float("nan")
