"""Ready-made vectors, by their numbers."""

import torch

from sensorium.data.batches import Rows
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.gradients import integrated_gradients
from sensorium.explain.part import Part

__all__ = ["explain_vector"]


def explain_vector(answer: Answer, rows: Rows, place: int, method: str) -> Part:
    """What each number adds, against the mean of the training rows."""
    values = answer.values.float()  # (1, size), standardised
    parts, expected = integrated_gradients(answer, [values], [[torch.zeros_like(values)]])
    shown = {"numbers": values[0].numpy()}
    return Part(
        answer.modality, "vector", "integrated_gradients", parts[0][0].numpy(), None, expected, answer.beside(), shown
    )
