"""The model's answers to rows with every subset of their inputs, each input encoded once."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sensorium.data.batches import Rows
from sensorium.data.targets import TargetCoder
from sensorium.encoders.rows import present_rows
from sensorium.evaluation.answers import said
from sensorium.evaluation.calibration import Calibration
from sensorium.evaluation.pieces import answer, pieces
from sensorium.explain.shapley import MOST, Coalitions, coalitions_of, pairs_of
from sensorium.model import MultimodalModel

__all__ = ["Answers", "answers_of_subsets", "subsets"]

TILE = 256  # rows that go through the fusion at once, a row with one subset of its inputs each


class Answers(NamedTuple):
    """What the model says to some rows. C: subsets, the first empty, the last whole; B: rows; M: inputs.

    places: of the rows (B,). present: which inputs they have (B, M). explained: the place of the class or label (B,), 0 for
    numbers. number: the explained number of each subset (C, B), before calibration. outputs: what the head says, calibrated
    (C, B) or (C, B, K).
    """

    places: np.ndarray
    present: np.ndarray
    explained: np.ndarray
    number: np.ndarray
    outputs: np.ndarray


def subsets(modalities: Sequence[str], seed: int = 0) -> Coalitions:
    """The subsets of inputs that are asked: all up to 8 inputs, else enough of them to tell every pair."""
    count = len(modalities)
    return coalitions_of(count, max(MOST, 2 * (count + len(pairs_of(count)))), seed)


@torch.no_grad()
def answers_of_subsets(
    model: MultimodalModel,
    rows: Rows,
    coder: TargetCoder,
    calibration: Calibration,
    coalitions: Coalitions,
    batch_size: int,
    output: int | None = None,
    order: Sequence[int] | np.ndarray | None = None,
) -> Iterator[Answers]:
    """Answers batch by batch, as of `MultimodalModel.drop`: an encoder sees one input, so each is asked once a row.

    Args:
        model: trained.
        rows: to answer.
        coder, calibration: of the target.
        coalitions: subsets of the model's inputs.
        batch_size: rows at once.
        output: the class or label explained; None: the one that each row is answered with (of labels the likeliest).
        order: places of the rows; None: all.
    """
    model.eval()
    head, members = model.head(coder.name), torch.from_numpy(coalitions.members)  # (C, M)
    for batch in rows.batches(batch_size, order):
        whole, count = pieces(model, batch.inputs), len(batch.rows)
        logits = []
        for part in members.split(max(1, TILE // count)):
            kept = {
                name: whole[name].keep(part[:, place, None].expand(-1, count))
                for place, name in enumerate(model.modalities)
            }
            found = answer(model, kept)[coder.name]  # (part * B, ...)
            logits.append(found.reshape(len(part), count, *found.shape[1:]))
        logits = torch.cat(logits)  # (C, B) or (C, B, K)
        told = said(head, logits.flatten(0, 1))
        outputs = calibration.apply(coder.task, told).reshape(*logits.shape[:2], *told.shape[1:])
        explained = np.full(count, output) if output is not None else places_of(coder, outputs[-1])
        present = torch.stack([present_rows(batch.inputs[name].mask) for name in model.modalities], 1)  # (B, M)
        number = explained_number(coder.task, logits.float(), torch.from_numpy(explained))
        yield Answers(batch.rows.numpy(), present.numpy(), explained, number.double().numpy(), outputs)


def places_of(coder: TargetCoder, outputs: np.ndarray) -> np.ndarray:
    """The place of each row's answer among the classes; of labels, of the likeliest one; 0 for numbers."""
    if coder.task == "regression":
        return np.zeros(len(outputs), dtype=np.int64)
    if coder.task == "multilabel":
        return outputs.argmax(1)
    places = {name: place for place, name in enumerate(coder.classes)}
    return np.array([places[name] for name in coder.decode(outputs)], dtype=np.int64)


def explained_number(task: str, logits: Tensor, explained: Tensor) -> Tensor:
    """The explained number (C, B) in logits (C, B, K), or (C, B): of two classes the first has the negated one.

    Example:
        >>> explained_number("binary", torch.tensor([[2.0, 2.0]]), torch.tensor([0, 1]))
        tensor([[-2.,  2.]])
    """
    if task == "regression":
        return logits
    if task == "binary":
        return logits * (2 * explained - 1)
    return logits.gather(2, explained.expand(len(logits), -1)[..., None])[..., 0]
