"""Clips, by the pixels of their frames."""

import torch
from torch import Tensor

from sensorium.data.batches import Rows
from sensorium.encoders.rows import present_rows
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.gradients import integrated_gradients, reaches
from sensorium.explain.attribution.grid import cells
from sensorium.explain.attribution.image import plain, unit
from sensorium.explain.attribution.pieces import Pieces, shapley
from sensorium.explain.part import Part

__all__ = ["boxes", "explain_video"]

GRID = 4  # cells along a side, where pieces are taken away
SPANS = 8  # of time, likewise


def explain_video(answer: Answer, rows: Rows, place: int, method: str) -> Part:
    """What each pixel of each frame adds. Nothing in particular is a clip of one colour, that of the background."""
    values = unit(answer.values)  # (1, [items,] F, 3, H, W)
    there = present_rows(answer.mask.reshape(-1, answer.mask.shape[-1]))  # (items,)
    clips = values.reshape(-1, *values.shape[-4:])[there]
    beside = answer.beside()
    if method != "shapley" and reaches(answer, values):
        method = "integrated_gradients"
        parts, expected = integrated_gradients(answer, [values], [[plain(values, frames=True)]])
        found = parts[0].sum(-3).reshape(-1, *clips.shape[1:2], *clips.shape[3:])[there]
    else:
        method, beside = "shapley", 0.0
        pieces = boxes(answer, values)
        found, expected = shapley(answer, pieces)
        sizes = pieces.of.flatten().bincount(minlength=pieces.count).clamp(min=1)
        found = (found / sizes)[pieces.of]
    return Part(answer.modality, "video", method, found.numpy(), None, expected, beside, {"clips": clips.numpy()})


def boxes(answer: Answer, values: Tensor) -> Pieces:
    """8 spans of 4 x 4 cells of each clip (1, [items,] F, 3, H, W); one that is taken away gets the background's colour."""
    there = present_rows(answer.mask.reshape(-1, answer.mask.shape[-1]))  # (items,)
    frames, height, width = values.shape[-4], *values.shape[-2:]
    moment, place = torch.arange(frames) * SPANS // frames, cells(height, width, GRID, GRID)
    box, each = moment[:, None, None] * GRID**2 + place, SPANS * GRID**2  # (F, H, W)
    of = torch.zeros(len(there), *box.shape, dtype=torch.long)
    of[there] = box + torch.arange(int(there.sum()))[:, None, None, None] * each
    flat, piece = plain(values, frames=True), of.reshape(*values.shape[1:-3], 1, height, width)  # ([items,] F, 1, H, W)

    def take(left: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(left[:, piece], values, flat), answer.mask.expand(len(left), *answer.mask.shape[1:])

    return Pieces(int(there.sum()) * each, of[there], take)
