"""Distances of two domains, against float64 numpy."""

import numpy as np
import pytest
import torch

from sensorium.training.discrepancy import BANDWIDTHS, coral, mmd


def samples(count, others, width=5, shift=0.7):
    random = np.random.default_rng(count)
    return random.normal(size=(count, width)), random.normal(size=(others, width)) * 1.5 + shift


@pytest.mark.parametrize(("count", "others"), [(2, 3), (7, 7), (40, 25)])
def test_coral_is_the_squared_distance_of_covariances(count, others):
    first, second = samples(count, others)
    apart = np.cov(first, rowvar=False) - np.cov(second, rowvar=False)
    expected = np.linalg.norm(apart, "fro") ** 2 / (4 * 5**2)
    assert coral(torch.from_numpy(first), torch.from_numpy(second)).item() == pytest.approx(expected, rel=1e-12)
    found = coral(torch.from_numpy(first).float(), torch.from_numpy(second).float())
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_coral_does_not_see_a_shift():
    rows = torch.randn(9, 4, dtype=torch.float64)
    assert coral(rows, rows + 3).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("count", "others"), [(2, 3), (6, 6), (20, 11)])
def test_mmd_is_the_double_sum_over_pairs(count, others):
    first, second = samples(count, others)
    rows = np.concatenate([first, second])
    total = sum(np.sum((x - y) ** 2) for x in rows for y in rows)
    scale = total / (len(rows) * (len(rows) - 1))

    def kernel(x, y):
        return np.mean([np.exp(-np.sum((x - y) ** 2) / (share * scale)) for share in BANDWIDTHS])

    own = np.mean([kernel(first[i], first[j]) for i in range(count) for j in range(count) if i != j])
    other = np.mean([kernel(second[i], second[j]) for i in range(others) for j in range(others) if i != j])
    between = np.mean([kernel(x, y) for x in first for y in second])
    expected = own + other - 2 * between
    assert mmd(torch.from_numpy(first), torch.from_numpy(second)).item() == pytest.approx(expected, rel=1e-9)


def test_mmd_is_without_bias():
    """Of one distribution its mean is 0; the estimate with the pairs of a row with itself would be far above."""
    generator = torch.Generator().manual_seed(0)
    found = [mmd(*torch.randn(2, 4, 3, generator=generator)).item() for _ in range(2000)]
    assert abs(np.mean(found)) < 4 * np.std(found) / 2000**0.5
    assert np.min(found) < 0


def test_mmd_falls_as_domains_come_together_whatever_their_scale():
    first, second = (torch.from_numpy(part) for part in samples(30, 30, shift=2.0))
    far, near = mmd(first, second), mmd(first, first[torch.randperm(30)] + 0.01)
    assert far > 0.2 > near
    assert mmd(100 * first, 100 * second).item() == pytest.approx(far.item(), rel=1e-9)


@pytest.mark.parametrize("distance", [coral, mmd])
def test_equal_rows_give_a_finite_gradient(distance):
    rows = torch.ones(4, 3, requires_grad=True)
    distance(rows, torch.ones(4, 3)).backward()
    assert torch.isfinite(rows.grad).all()
