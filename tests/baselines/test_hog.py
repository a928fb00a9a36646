"""Directions and colours of pictures against loops in NumPy, and pictures whose answer is known."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sensorium.baselines.hog import colours, hog


def looped(picture):
    """Dalal and Triggs in float64, pixel by pixel, of a picture (3, 64, 64)."""
    x = np.sqrt(picture.astype(np.float64))
    cells = np.zeros((8, 8, 9))
    for row in range(64):
        for column in range(64):
            best = (0.0, 0.0, 0.0)  # at the frame there is no neighbour: no gradient that way
            for channel in x:
                across = channel[row, column + 1] - channel[row, column - 1] if 0 < column < 63 else 0.0
                down = channel[row + 1, column] - channel[row - 1, column] if 0 < row < 63 else 0.0
                best = max(best, (float(np.hypot(across, down)), across, down), key=lambda found: found[0])
            size, across, down = best
            place = np.degrees(np.arctan2(down, across)) % 180 / 20 - 0.5  # bins of 20 degrees, centred at 10, 30, ...
            low = int(np.floor(place))
            cells[row // 8, column // 8, low % 9] += size * (low + 1 - place) / 64
            cells[row // 8, column // 8, (low + 1) % 9] += size * (place - low) / 64
    blocks = np.zeros((7, 7, 36))
    for row in range(7):
        for column in range(7):
            block = cells[row : row + 2, column : column + 2].ravel()
            block = np.minimum(block / (np.linalg.norm(block) + 0.01), 0.2)
            blocks[row, column] = block / (np.linalg.norm(block) + 0.01)
    return blocks


def blocks(found):
    """(N, 1764) as (N, 7, 7, 36)."""
    return found.reshape(-1, 36, 7, 7).permute(0, 2, 3, 1)


def test_it_is_dalal_and_triggs():
    random = np.random.default_rng(0)
    rough = random.random((3, 64, 64))
    smooth = np.stack([np.outer(np.linspace(0, 1, 64) ** power, np.linspace(1, 0.2, 64)) for power in (1, 2, 3)])
    given = torch.tensor(np.stack([rough, smooth]), dtype=torch.float32)
    found = hog(given)
    assert found.shape == (2, 1764)
    for picture, part in zip(given.numpy(), blocks(found), strict=True):
        np.testing.assert_allclose(part, looped(picture), atol=2e-4)


@pytest.mark.parametrize(
    ("degrees", "shares"),
    [(10, {0: 1}), (30, {1: 1}), (90, {4: 1}), (0, {0: 0.5, 8: 0.5}), (20, {0: 0.5, 1: 0.5}), (15, {0: 0.75, 1: 0.25}),
     (170, {8: 1}), (175, {8: 0.75, 0: 0.25})],
)  # fmt: skip
def test_a_slope_votes_for_its_direction(degrees, shares):
    down, across = np.mgrid[:64, :64]
    slope = across * np.cos(np.radians(degrees)) + down * np.sin(np.radians(degrees))
    steep = 2 * 0.8 / np.ptp(slope)  # from the pixel before to the pixel after
    slope = 0.1 + 0.8 * (slope - slope.min()) / np.ptp(slope)
    picture = torch.tensor(slope**2, dtype=torch.float32).expand(1, 3, 64, 64)  # its square root is even
    cell = np.zeros(9)
    for place, share in shares.items():
        cell[place] = steep * share
    block = np.minimum(cell / (2 * np.linalg.norm(cell) + 0.01), 0.2)  # four cells: twice the length
    expected = block / (2 * np.linalg.norm(block) + 0.01)
    middle = blocks(hog(picture))[0, 3, 3].reshape(4, 9)  # far from the frame
    np.testing.assert_allclose(middle, np.tile(expected, (4, 1)), atol=1e-3)


def test_brightness_changes_little_and_a_flat_picture_says_nothing():
    random = np.random.default_rng(1)
    picture = torch.tensor(random.random((1, 3, 64, 64)), dtype=torch.float32)
    bright, dark = hog(picture), hog(picture / 4)
    assert F.cosine_similarity(bright, dark).item() > 0.999
    assert not hog(torch.full((2, 3, 64, 64), 0.5)).any()
    rounding = torch.tensor(0.5 + 1e-6 * random.random((1, 3, 64, 64)), dtype=torch.float32)
    assert hog(rounding).norm() < 0.1 * bright.norm()


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (31, 17), (200, 100)])
def test_any_size_is_looked_at(size):
    found = hog(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)))
    assert found.shape == (2, 1764)
    assert found.isfinite().all()
    np.testing.assert_allclose(found[:1], hog(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))[:1]))


@pytest.mark.parametrize("size", [(16, 16), (9, 7), (2, 2)])
def test_colours_are_numpys_histograms(size):
    random = np.random.default_rng(2)
    pictures = random.random((3, 3, *size)).astype(np.float32)
    pictures[0, :, 0, 0] = 1.0  # the brightest has no level of its own
    found = colours(torch.from_numpy(pictures))
    assert found.shape == (3, 256)
    for picture, part in zip(pictures, found, strict=True):
        quarters = [q for half in np.array_split(picture, 2, 1) for q in np.array_split(half, 2, 2)]
        expected = [np.histogramdd(q.reshape(3, -1).T, bins=4, range=[(0, 1)] * 3)[0].ravel() for q in quarters]
        expected = [np.sqrt(counts / counts.sum()) for counts in expected]
        np.testing.assert_allclose(part, np.concatenate(expected), atol=1e-6)


def test_colours_of_one_pixel_leave_empty_quarters_empty():
    found = colours(torch.ones(1, 3, 1, 1))
    assert found.isfinite().all()
    assert found.sum() == 1
