"""What a model says of rows, and its score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.data.batches import Rows
from sensorium.data.targets import TargetCoder, shifted
from sensorium.evaluation.metrics import OF_ANSWERS, score
from sensorium.model import MultimodalModel

__all__ = ["outputs", "said", "scored"]


@torch.no_grad()
def outputs(
    model: MultimodalModel, rows: Rows, batch_size: int, keep: tuple[str, ...] | None = None
) -> dict[str, np.ndarray]:
    """What each head says for all rows: probabilities, or standardised numbers. `keep`: the inputs left present."""
    model.eval()
    found: dict[str, list[np.ndarray]] = {name: [] for name in model.targets}
    for batch in rows.batches(batch_size):
        inputs = batch.inputs if keep is None else model.drop(batch.inputs, keep)
        for name, logits in model(inputs).items():
            found[name].append(said(model.head(name), logits))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def said(head: nn.Module, logits: Tensor) -> np.ndarray:
    """What a head's logits say: probabilities, or standardised numbers."""
    return (head.probabilities(logits) if hasattr(head, "probabilities") else logits.float()).numpy()


def scored(
    coder: TargetCoder,
    target: tuple[np.ndarray, np.ndarray],
    output: np.ndarray,
    resamples: int = 0,
    offsets: Sequence[float] = (),
) -> Any:
    """The metrics of one target over its filled rows; numbers in the target's own unit.

    With the coder's `offsets`, given for what the run's own model says, the answers are those that it predicts; metrics
    of the probabilities stay as they are.
    """
    values, mask = target
    truth, answers = values[mask], output[mask]
    if coder.task == "regression":
        truth, answers = coder.decode_numbers(truth), coder.decode_numbers(answers)
    found = score(coder.task, truth, answers, resamples)
    if len(offsets):
        found |= score(coder.task, truth, shifted(answers, offsets), resamples, metrics=OF_ANSWERS)
    return found
