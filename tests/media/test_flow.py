"""Coarse motion between two pictures, against pictures whose motion is known in closed form."""

import numpy as np
import pytest

from sensorium.media.flow import coarse_flow

Y, X = np.mgrid[:64, :80].astype(float)


def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth picture, known at every point of the plane."""
    random = np.random.default_rng(0)
    total = np.full(x.shape, 128.0)
    for _ in range(12):
        a, b = random.uniform(-0.5, 0.5, 2)
        total += 12 * np.sin(a * x + b * y + random.uniform(0, 6))
    return total


def shifted(u, v) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and how it is when what was at (x, y) is at (x + u, y + v)."""
    return waves(X, Y)[None], waves(X - u, Y - v)[None]


@pytest.mark.parametrize(("u", "v"), [(0.3, 0), (0, -0.3), (1, 1), (-3, 2), (5, 0), (0, 0)])
def test_a_picture_that_moves_as_one(u, v):
    motion, known = coarse_flow(*shifted(u, v), grid=4)
    assert known.all()
    assert motion.dtype == np.float32
    inside = motion[0, :, 1:3, 1:3]
    close = 0.05 + 0.06 * np.hypot(u, v)  # pixels
    np.testing.assert_allclose(inside[0] * 80, u, atol=close)
    np.testing.assert_allclose(inside[1] * 64, v, atol=close)


def test_a_picture_that_grows_moves_outwards():
    before, after = waves(X, Y)[None], waves(40 + (X - 40) / 1.05, 32 + (Y - 32) / 1.05)[None]
    motion, _ = coarse_flow(before, after, grid=4)
    middles = (np.arange(4) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(motion[0, 0], np.tile(middles * 0.05, (4, 1)), atol=0.004)
    np.testing.assert_allclose(motion[0, 1], np.tile(middles[:, None] * 0.05, (1, 4)), atol=0.004)


def test_pairs_do_not_mix():
    pairs = [shifted(1, 0), shifted(0, -2), shifted(0, 0)]
    together, _ = coarse_flow(*(np.concatenate(part) for part in zip(*pairs, strict=True)), grid=4)
    for pair, motion in zip(pairs, together, strict=True):
        np.testing.assert_allclose(motion, coarse_flow(*pair, grid=4)[0][0], atol=1e-6)


def test_where_there_is_nothing_to_see_nothing_is_said():
    before, after = (picture.copy() for picture in shifted(1, 0))
    before[:, :, :40] = after[:, :, :40] = 90
    motion, known = coarse_flow(before, after, grid=8)
    assert not known[0, :, :3].any()
    assert known[0, :, 5:].all()
    assert not motion[0, :, :, :3].any()


def test_an_edge_along_the_motion_tells_nothing():
    stripes = np.sin(Y[None] / 2) * 50 + 128
    motion, known = coarse_flow(stripes, stripes, grid=2)
    assert not known.any()
    assert not motion.any()


@pytest.mark.parametrize("size", [(8, 8), (9, 33), (64, 64)])
def test_any_size(size):
    motion, known = coarse_flow(np.zeros((2, *size)), np.zeros((2, *size)), grid=8)
    assert motion.shape == (2, 2, 8, 8)
    assert known.shape == (2, 8, 8)
