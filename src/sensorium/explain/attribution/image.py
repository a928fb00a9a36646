"""Pictures, by pixels."""

import torch
from torch import Tensor

from sensorium.data.batches import Rows
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.attention import rollout
from sensorium.explain.attribution.convolutions import grad_cam
from sensorium.explain.attribution.gradients import integrated_gradients, reaches
from sensorium.explain.attribution.grid import cells, spread
from sensorium.explain.attribution.pieces import Pieces, shapley
from sensorium.explain.part import Part

__all__ = ["explain_image", "patches", "plain", "unit"]

GRID = 8  # patches along a side


def explain_image(answer: Answer, rows: Rows, place: int, method: str) -> Part:
    """What each pixel adds; of rollout, how much each counts.

    Nothing in particular is a picture of one colour, that of the background.
    """
    values = unit(answer.values)  # (1, [items,] 3, H, W)
    there = answer.mask.reshape(-1)
    beside, expected = answer.beside(), None
    if method == "auto":
        method = "integrated_gradients" if reaches(answer, values) else "shapley"
    if method == "grad_cam":
        found, expected = grad_cam(answer, values, plain(values))
    elif method == "rollout":
        found = rollout(answer, values)
    elif method == "integrated_gradients":
        parts, expected = integrated_gradients(answer, [values], [[plain(values)]])
        found = parts[0].sum(-3).reshape(-1, *values.shape[-2:])[there]
    else:
        found, expected = shapley(answer, patches(answer, values))
        found, beside = spread(found.reshape(-1, GRID, GRID), *values.shape[-2:]), 0.0
    pictures = values.reshape(-1, *values.shape[-3:])[there]
    return Part(answer.modality, "image", method, found.numpy(), None, expected, beside, {"pictures": pictures.numpy()})


def unit(values: Tensor) -> Tensor:
    """Pixels as floats from 0 to 1."""
    return values.float() / 255 if values.dtype == torch.uint8 else values.float()


def plain(values: Tensor, frames: bool = False) -> Tensor:
    """Pictures (..., 3, H, W), or clips (..., F, 3, H, W), of one colour: the median of each channel, which is that of the
    background; the mean would keep a little of whatever stands before it.
    """
    pixels = values.transpose(-4, -3).flatten(-3) if frames else values.flatten(-2)  # (..., 3, pixels)
    colour = pixels.median(-1).values[..., None, None]  # (..., 3, 1, 1)
    return (colour.unsqueeze(-4) if frames else colour).expand_as(values)


def patches(answer: Answer, values: Tensor) -> Pieces:
    """8 x 8 patches of each picture (1, [items,] 3, H, W); one that is taken away gets the background's colour."""
    there = answer.mask.reshape(-1)  # (items,)
    height, width = values.shape[-2:]
    of = torch.zeros(len(there), height, width, dtype=torch.long)
    of[there] = cells(height, width, GRID, GRID) + torch.arange(int(there.sum()))[:, None, None] * GRID**2
    flat, each = plain(values), of.reshape(*values.shape[1:-3], 1, height, width)  # ([items,] 1, H, W)

    def take(left: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(left[:, each], values, flat), answer.mask.expand(len(left), *answer.mask.shape[1:])

    return Pieces(int(there.sum()) * GRID**2, of[there], take)
