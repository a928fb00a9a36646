"""What a classical model sees of one input: a fixed number of features a file or row, nothing learned."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.baselines.hog import colours, hog
from sensorium.encoders.mfcc import MFCC

__all__ = ["Clips", "Columns", "Motion", "Numbers", "Pictures", "Sounds"]

FAR = 10.0  # deviations; one odd number must not outweigh all else
CROSSES = 4096  # features of categories that come together


class Pictures(nn.Module):
    """HOG and colour histograms: (N, 3, H, W) to (N, 2020)."""

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        shown = _unit(values)
        return torch.cat([hog(shown), colours(shown)], 1)


class Clips(nn.Module):
    """The same of the mean picture, and the mean change in thirds of the time on 8 x 8 cells: (N, T, 3, H, W) to (N, 2596)."""

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        shown = _unit(values)  # (N, T, 3, H, W)
        weight = mask[..., None, None, None].float()
        mean = (shown * weight).sum(1) / weight.sum(1)
        small = F.interpolate(shown.flatten(0, 1), (8, 8), mode="area").unflatten(0, shown.shape[:2])
        change = (small[:, 1:] - small[:, :-1]).abs() * weight[:, 1:] * weight[:, :-1]  # (N, T - 1, 3, 8, 8)
        change = F.pad(change, (0, 0, 0, 0, 0, 0, 0, 1)).flatten(2).transpose(1, 2)  # (N, 192, T)
        return torch.cat([hog(mean), colours(mean), F.adaptive_avg_pool1d(change, 3).flatten(1)], 1)


class Motion(nn.Module):
    """Motion's extent and its course in thirds of the time on 4 x 4 cells, bytes, and the mean picture in 8 x 8 pixels.

    Args:
        steps, grid, pictures, size: as for `sensorium.encoders.VideoMotion`, whose rows it reads.
    """

    def __init__(self, steps: int, grid: int, pictures: int, size: Sequence[int]):
        super().__init__()
        self.steps, self.grid, self.size = steps, grid, tuple(size)
        self.lengths = [steps * 3 * grid**2, steps, pictures * 3 * self.size[0] * self.size[1]]

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        field, sizes, pictures = values.float().split(self.lengths, dim=1)
        field = torch.asinh(200 * field.reshape(-1, 3, self.grid, self.grid)[:, :2])
        small = F.interpolate(field, (4, 4), mode="area").reshape(values.shape[0], self.steps, 32)
        thirds = F.interpolate(small.transpose(1, 2), 3, mode="area")  # (N, 32, 3)
        parts = [small.abs().mean(1), thirds.flatten(1), sizes]
        if pictures.shape[1]:
            shown = F.interpolate(pictures.reshape(-1, 3, *self.size), (8, 8), mode="area")
            parts.append(shown.reshape(values.shape[0], -1, 192).mean(1))
        return torch.cat(parts, 1)


class Sounds(nn.Module):
    """Means and deviations of 20 MFCC and of their changes: (N, samples) to (N, 80)."""

    def __init__(self, sample_rate: int):
        super().__init__()
        self.mfcc = MFCC(sample_rate=sample_rate, n_mfcc=20)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        frames, real = self.mfcc(values, mask)  # (N, T, 20), (N, T)
        change, both = frames[:, 1:] - frames[:, :-1], real[:, 1:] & real[:, :-1]
        return torch.cat([*_moments(frames, real), *_moments(change, both)], 1)


class Columns(nn.Module):
    """Numbers, which of them are filled, one column a category (and one for none), and one for two that come together.

    Reference:
        the cross-products of Cheng et al. 2016, Wide & Deep Learning: here of every two categorical columns, those with
        fewest combinations first, CROSSES in all at most.

    Args:
        numeric: how many numbers come first; standardised.
        categories: how many each categorical column knows.
    """

    scaled = False  # what is rare must not count more for it

    def __init__(self, numeric: int, categories: Sequence[int]):
        super().__init__()
        self.numeric, self.categories = numeric, tuple(categories)
        pairs = itertools.combinations(range(len(categories)), 2)
        sizes = {pair: (categories[pair[0]] + 1) * (categories[pair[1]] + 1) for pair in pairs}
        self.pairs, left = [], CROSSES
        for pair in sorted(sizes, key=lambda pair: sizes[pair]):
            if sizes[pair] <= left:
                self.pairs.append(pair)
                left -= sizes[pair]

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        numbers, there = values[:, : self.numeric].float(), mask[:, : self.numeric]
        codes = values.masked_fill(~mask, 0).long()[:, self.numeric :]
        each = [F.one_hot(codes[:, i].clamp(0, n), n + 1).float() for i, n in enumerate(self.categories)]
        both = [(each[i][:, :, None] * each[j][:, None, :]).flatten(1) for i, j in self.pairs]
        return torch.cat([numbers.masked_fill(~there, 0).clamp(-FAR, FAR), there.float(), *each, *both], 1)


class Numbers(nn.Module):
    """A vector as it is: (N, size)."""

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        return values.float().clamp(-FAR, FAR)


def _unit(pictures: Tensor) -> Tensor:
    return pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures.float()


def _moments(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over the real frames of each row; 0 where there are none."""
    weight = mask[..., None].float()
    count = weight.sum(1).clamp(min=1)
    mean = (values * weight).sum(1) / count
    return mean, (((values - mean[:, None]) * weight).square().sum(1) / count).sqrt()
