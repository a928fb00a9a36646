"""Clips, by their motion and a few pictures."""

import torch
from torch import Tensor

from sensorium.data.batches import Rows
from sensorium.data.media_readers import MotionReader
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.gradients import integrated_gradients
from sensorium.explain.attribution.grid import cells
from sensorium.explain.attribution.image import plain
from sensorium.explain.attribution.pieces import Pieces, shapley
from sensorium.explain.part import Part

__all__ = ["explain_motion", "motion_boxes"]

GRID = 4  # cells along a side, where pieces are taken away
SPANS = 8  # of time, likewise


def explain_motion(answer: Answer, rows: Rows, place: int, method: str) -> Part:
    """What each number of a clip adds, against one where nothing moves, frames have their mean size, and pictures one colour."""
    reader = rows.readers[answer.modality]
    values = answer.values.float()  # (1, [items,] numbers)
    there = answer.mask.reshape(-1)
    beside = answer.beside()
    if method == "shapley":
        pieces = motion_boxes(answer, reader)
        each, expected = shapley(answer, pieces)
        found, beside = (each / pieces.of.flatten().bincount(minlength=pieces.count))[pieces.of].numpy(), 0.0
    else:
        method = "integrated_gradients"
        parts, expected = integrated_gradients(answer, [values], [[_still(values, reader)]])
        found = parts[0].reshape(-1, values.shape[-1])[there].numpy()
    clips = [reader.parts(row) for row in values.reshape(-1, values.shape[-1])[there].numpy()]
    shown = {"clips": clips, "of": [reader.parts(row) for row in found]}
    return Part(answer.modality, "motion", method, found, None, expected, beside, shown)


def motion_boxes(answer: Answer, reader: MotionReader) -> Pieces:
    """8 spans of 4 x 4 cells of each clip's motion, 8 spans of its frames' sizes, 4 x 4 patches of each picture."""
    _, steps, pixels = reader.lengths
    grid, (height, width) = reader.options["grid"], reader.options["size"]
    values, there = answer.values.float(), answer.mask.reshape(-1)
    span = torch.arange(steps) * SPANS // steps
    field = (span[:, None, None, None] * GRID**2 + cells(grid, grid, GRID, GRID)).expand(-1, 3, -1, -1)
    pictures = torch.arange(pixels // (3 * height * width))[:, None, None, None] * GRID**2
    pictures = (pictures + cells(height, width, GRID, GRID)).expand(-1, 3, -1, -1)
    parts = [field.flatten(), SPANS * GRID**2 + span, SPANS * (GRID**2 + 1) + pictures.flatten()]
    _, one = torch.cat(parts).unique(return_inverse=True)  # (numbers,); few steps or cells leave places empty
    count = int(one.max()) + 1
    of = torch.zeros(len(there), len(one), dtype=torch.long)
    of[there] = one + torch.arange(int(there.sum()))[:, None] * count
    still, piece = _still(values, reader), of.reshape(values.shape[1:])

    def take(left: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(left[:, piece], values, still), answer.mask.expand(len(left), *answer.mask.shape[1:])

    return Pieces(int(there.sum()) * count, of[there], take)


def _still(values: Tensor, reader: MotionReader) -> Tensor:
    """Nothing in particular."""
    field, sizes, pictures = values.split(list(reader.lengths), -1)
    seen = pictures.reshape(*pictures.shape[:-1], -1, 3, *reader.options["size"])
    seen = plain(seen) if seen.numel() else seen
    return torch.cat([torch.zeros_like(field), sizes.mean(-1, keepdim=True).expand_as(sizes), seen.flatten(-4)], -1)
