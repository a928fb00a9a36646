"""What a model says of rows, and its score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.data.batches import Batch, Rows
from sensorium.data.targets import TargetCoder, shifted
from sensorium.evaluation.memory import less_at_once
from sensorium.evaluation.metrics import OF_ANSWERS, score
from sensorium.evaluation.text_metrics import statistics
from sensorium.heads.decoding import Sampling
from sensorium.model import MultimodalModel

__all__ = ["logits_of", "outputs", "said", "scored"]


@torch.no_grad()
def outputs(
    model: MultimodalModel,
    rows: Rows,
    batch_size: int,
    keep: tuple[str, ...] | None = None,
    sampling: Sampling | None = None,
) -> dict[str, np.ndarray]:
    """What each head says for all rows, see `said`. `keep`: the inputs left present; what is asked of a head stays."""
    model.eval()
    found: dict[str, list[np.ndarray]] = {name: [] for name in model.targets}

    def ask(batch: Batch) -> dict[str, np.ndarray]:
        inputs = batch.inputs if keep is None else model.drop(batch.inputs, keep)
        return {
            name: said(model.head(name), logits, batch.targets.get(name), sampling)
            for name, logits in model(inputs).items()
        }

    for batch in rows.batches(batch_size):
        for part in less_at_once(ask, batch):
            for name, answers in part.items():
                found[name].append(answers)
    return {name: np.concatenate(parts) for name, parts in found.items()}


@torch.no_grad()
def logits_of(model: MultimodalModel, rows: Rows, size: int) -> dict[str, Tensor]:
    """What a model says of all rows, in order, as logits by target."""
    model.eval()
    found: dict[str, list[Tensor]] = {name: [] for name in model.targets}
    for batch in rows.batches(size):
        for name, logits in model(batch.inputs).items():
            found[name].append(logits.float())
    return {name: torch.cat(parts) for name, parts in found.items()}


def said(
    head: nn.Module, logits: Tensor, target: Sequence[Tensor] | None = None, sampling: Sampling | None = None
) -> np.ndarray:
    """What a head's logits say: probabilities, standardised numbers, or the tokens of texts.

    Args:
        head: of a target.
        logits: of some rows.
        target: of the same rows, as `Batch` holds it; a head of texts reads what is asked in it, and nothing else.
        sampling: how texts' tokens are drawn; None: each is the likeliest.
    """
    if hasattr(head, "generate"):
        return head.generate(logits, None if target is None else target[0][:, 0], sampling).numpy()
    return (head.probabilities(logits) if hasattr(head, "probabilities") else logits.float()).numpy()


def scored(
    coder: TargetCoder,
    target: tuple[np.ndarray, np.ndarray],
    output: np.ndarray,
    resamples: int = 0,
    offsets: Sequence[float] = (),
) -> Any:
    """The metrics of one target over its filled rows; numbers in the target's own unit. `target`: of `coder.truth`.

    With the coder's `offsets`, given for what the run's own model says, the answers are those that it predicts; metrics
    of the probabilities stay as they are.
    """
    values, mask = target
    truth, answers = values[mask], output[mask]
    if coder.task == "regression":
        truth, answers = coder.decode_numbers(truth), coder.decode_numbers(answers)
    if coder.task == "generation":
        answers = statistics(truth, coder.decode(answers))
    found = score(coder.task, truth, answers, resamples)
    if len(offsets):
        found |= score(coder.task, truth, shifted(answers, offsets), resamples, metrics=OF_ANSWERS)
    return found
