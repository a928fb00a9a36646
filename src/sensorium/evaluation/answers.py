"""What a model says of rows, and its score."""

from typing import Any

import numpy as np
import torch

from sensorium.data.batches import Rows
from sensorium.data.targets import TargetCoder
from sensorium.evaluation.metrics import score
from sensorium.model import MultimodalModel

__all__ = ["outputs", "scored"]


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
            head = model.head(name)
            said = head.probabilities(logits) if hasattr(head, "probabilities") else logits.float()
            found[name].append(said.numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def scored(coder: TargetCoder, target: tuple[np.ndarray, np.ndarray], output: np.ndarray, resamples: int = 0) -> Any:
    """The metrics of one target over its filled rows; numbers in the target's own unit."""
    values, mask = target
    truth, said = values[mask], output[mask]
    if coder.task == "regression":
        truth, said = coder.decode_numbers(truth), coder.decode_numbers(said)
    return score(coder.task, truth, said, resamples)
