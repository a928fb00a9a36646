"""Clips, by their motion and a few pictures."""

import torch
from torch import Tensor

from sensorium.data.batches import Rows
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.gradients import integrated_gradients
from sensorium.explain.attribution.image import plain
from sensorium.explain.part import Part

__all__ = ["explain_motion"]


def explain_motion(answer: Answer, rows: Rows, place: int, method: str) -> Part:
    """What each number of a clip adds, against one where nothing moves, frames have their mean size, and pictures one colour."""
    reader = rows.readers[answer.modality]
    values = answer.values.float()  # (1, [items,] numbers)
    moving, steps, pixels = reader.lengths

    field, sizes, pictures = values.split([moving, steps, pixels], -1)
    shown = pictures.reshape(*pictures.shape[:-1], -1, 3, *reader.options["size"])
    nothing = [
        torch.zeros_like(field),
        sizes.mean(-1, keepdim=True).expand_as(sizes),
        _flat(shown).reshape_as(pictures),
    ]
    parts, expected = integrated_gradients(answer, [values], [[torch.cat(nothing, -1)]])
    there = answer.mask.reshape(-1)
    clips = [reader.parts(row) for row in values.reshape(-1, values.shape[-1])[there].numpy()]
    found = parts[0].reshape(-1, values.shape[-1])[there].numpy()
    shown = {"clips": clips, "of": [reader.parts(row) for row in found]}
    return Part(answer.modality, "motion", "integrated_gradients", found, None, expected, answer.beside(), shown)


def _flat(pictures: Tensor) -> Tensor:
    return plain(pictures) if pictures.numel() else pictures
