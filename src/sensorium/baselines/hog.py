"""Pictures by the directions of their edges and by their colours."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["colours", "hog"]

SIDE, CELL, BINS = 64, 8, 9
CLIP, SMALL = 0.2, 1e-2  # of a block's length; SMALL keeps the noise of flat blocks from being blown up


def hog(pictures: Tensor) -> Tensor:
    """Histograms of oriented gradients, at 64 x 64 pixels.

    Reference:
        Dalal and Triggs 2005: square root of the values, the channel with the steepest edge, 9 unsigned directions, cells
        of 8 x 8, blocks of 2 x 2 cells, L2-Hys. Differs: a pixel votes in its own cell alone.

    Shape:
        pictures: (N, 3, H, W) float, 0..1. Returns (N, 1764): 4 cells * 9 directions * 7 * 7 blocks.
    """
    x = F.interpolate(pictures, (SIDE, SIDE), mode="area").sqrt()
    across = F.pad(x[..., 2:] - x[..., :-2], (1, 1))  # (N, 3, 64, 64)
    down = F.pad(x[..., 2:, :] - x[..., :-2, :], (0, 0, 1, 1))
    steep = (across.square() + down.square()).sqrt()
    size, channel = steep.max(1, keepdim=True)  # (N, 1, 64, 64)
    angle = torch.atan2(down.gather(1, channel), across.gather(1, channel)) % math.pi
    place = angle * (BINS / math.pi) - 0.5
    low, share = place.floor().long(), place - place.floor()
    votes = torch.zeros(x.shape[0], BINS, SIDE, SIDE, device=x.device)
    votes = votes.scatter_add(1, low % BINS, size * (1 - share)).scatter_add(1, (low + 1) % BINS, size * share)
    cells = F.avg_pool2d(votes, CELL)  # (N, 9, 8, 8)
    blocks = torch.cat([cells[..., :-1, :-1], cells[..., :-1, 1:], cells[..., 1:, :-1], cells[..., 1:, 1:]], 1)
    blocks = (blocks / (blocks.norm(dim=1, keepdim=True) + SMALL)).clamp(max=CLIP)
    return (blocks / (blocks.norm(dim=1, keepdim=True) + SMALL)).flatten(1)


def colours(pictures: Tensor) -> Tensor:
    """Square roots of the shares of 64 colours (4 levels a channel) in each quarter of the picture.

    Shape:
        pictures: (N, 3, H, W) float, 0..1; two pixels or more each way. Returns (N, 256).
    """
    level = (pictures * 4).long().clamp(max=3)
    code = level[:, 0] * 16 + level[:, 1] * 4 + level[:, 2]  # (N, H, W)
    found = []
    for half in code.tensor_split(2, dim=1):
        for quarter in half.tensor_split(2, dim=2):
            flat = quarter.flatten(1)
            counts = torch.zeros(flat.shape[0], 64, device=flat.device).scatter_add(
                1, flat, torch.ones_like(flat, dtype=torch.float)
            )
            found.append((counts / max(1, flat.shape[1])).sqrt())
    return torch.cat(found, 1)
