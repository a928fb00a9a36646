"""Weights by the papers' formulas; orders whose class frequencies are what they must be."""

import numpy as np
import pytest
from scipy import stats

from sensorium.data.balance import SAMPLERS, OverSampler, UnderSampler, WeightedSampler, effective_weights, log_shares

CLASSES = np.repeat([0, 1, 2, -1], [800, 150, 50, 7])


@pytest.fixture
def classes():
    return np.random.default_rng(0).permutation(CLASSES)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 0.9999])
def test_effective_numbers(beta):
    """Cui et al. 2019: E_n = sum of beta^i for i below n, summed here term by term."""
    counts = [3, 70, 2000]
    numbers = np.array([sum(beta**i for i in range(n)) for n in counts])
    weights = effective_weights(counts, beta)
    np.testing.assert_allclose(np.array(weights) * numbers, weights[0] * numbers[0], rtol=1e-9)
    assert np.average(weights, weights=counts) == pytest.approx(1)


def test_effective_weights_go_from_even_to_inverse_frequency():
    np.testing.assert_allclose(effective_weights([5, 50, 500], 0), 1)
    weights = np.array(effective_weights([5, 50, 500], 1 - 1e-9))
    np.testing.assert_allclose(weights / weights[2], [100, 10, 1], rtol=1e-3)


def test_log_shares_add_up_to_one():
    np.testing.assert_allclose(np.exp(log_shares([1, 3, 4])), [1 / 8, 3 / 8, 1 / 2])


@pytest.mark.parametrize("cls", SAMPLERS.values())
def test_an_order_is_the_seeds_and_the_epochs_alone(classes, cls):
    sampler = cls(classes, seed=3)
    orders = []
    for epoch in range(4):
        sampler.set_epoch(epoch)
        orders.append(sampler.order())
    resumed = cls(classes, seed=3)
    resumed.set_epoch(3)
    np.testing.assert_array_equal(resumed.order(), orders[3])
    np.testing.assert_array_equal(resumed.order(), orders[3])
    assert not np.array_equal(np.sort(orders[0]), np.sort(orders[1]))
    other = cls(classes, seed=4)
    assert not np.array_equal(other.order(), orders[0])
    for order in orders:
        assert len(order) == len(sampler)
        assert order.dtype == np.int32
        assert order.min() >= 0
        assert order.max() < len(classes)
        assert (np.bincount(order, minlength=len(classes))[classes < 0] == 1).all()  # rows without a class: once


def test_weighted_sampling_draws_every_class_and_every_row_of_it_alike(classes):
    sampler, epochs = WeightedSampler(classes, seed=0), 40
    times = np.zeros(len(classes), dtype=int)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        times += np.bincount(sampler.order(), minlength=len(classes))
    assert len(sampler) == len(classes)
    low, high = stats.binom.interval(1 - 1e-6, 1000 * epochs, 1 / 3)
    for place in range(3):
        drawn = times[classes == place]
        assert low <= drawn.sum() <= high
        assert stats.chisquare(drawn).pvalue > 1e-4  # each row of a class as often as another


def test_oversampling_uses_every_row_and_makes_the_classes_even(classes):
    sampler = OverSampler(classes, seed=0)
    order = sampler.order()
    times = np.bincount(order, minlength=len(classes))
    assert len(sampler) == 3 * 800 + 7
    for place, count in enumerate((800, 150, 50)):
        drawn = times[classes == place]
        assert drawn.sum() == 800
        assert set(drawn) <= {800 // count, -(-800 // count)}


def test_undersampling_draws_other_rows_every_epoch_and_none_twice(classes):
    sampler = UnderSampler(classes, seed=0)
    seen = np.zeros(len(classes), dtype=int)
    for epoch in range(30):
        sampler.set_epoch(epoch)
        times = np.bincount(sampler.order(), minlength=len(classes))
        assert times.max() == 1
        assert [times[classes == place].sum() for place in range(3)] == [50, 50, 50]
        seen += times
    assert (seen[classes == 2] == 30).all()
    low, high = stats.binom.interval(1 - 1e-8, 30, 50 / 800)
    assert seen[classes == 0].min() >= low
    assert seen[classes == 0].max() <= high


def test_rows_are_not_drawn_class_by_class(classes):
    order = OverSampler(classes, seed=0).order()
    halves = [np.bincount(classes[half][classes[half] >= 0], minlength=3) for half in np.array_split(order, 2)]
    assert np.abs(halves[0] - halves[1]).max() < 150  # of 800; sorted it would be 800
