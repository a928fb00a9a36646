"""What steps cost, against values of others' accountants, and the noise that a budget asks for."""

import math

import numpy as np
import pytest
from scipy.stats import norm

pytest.importorskip("opacus", reason="privacy needs 'sensorium[private]'")

from sensorium.errors import ConfigError
from sensorium.privacy.accountant import affordable, epsilon_of, noise_for

# (noise, rate, steps, delta) and epsilon by dp-accounting 0.6.0, Google's library: PLDAccountant(ADD_OR_REMOVE_ONE) of
# SelfComposedDpEvent(PoissonSampledDpEvent(rate, GaussianDpEvent(noise)), steps). The first line is the MNIST example of
# TensorFlow Privacy's tutorial (60 epochs of batches of 256 of 60,000 rows), for which the older moments accountant gives
# 2.60 (RdpAccountant of the same library).
PUBLISHED = [
    (1.1, 256 / 60000, 14062, 1e-5, 2.381686002234784),
    (1.0, 0.01, 1000, 1e-5, 1.8282436455855091),
    (2.0, 0.05, 800, 1e-5, 3.27040337583666),
    (0.8, 0.02, 500, 1e-6, 5.440307848454933),
    (1.5, 0.1, 200, 1e-5, 5.054376651454318),
    (4.0, 1.0, 100, 1e-5, 13.206712467449256),
]


@pytest.mark.parametrize(("noise", "rate", "steps", "delta", "epsilon"), PUBLISHED)
def test_epsilon_is_what_another_library_says(noise, rate, steps, delta, epsilon):
    found = epsilon_of([(noise, rate, steps)], delta, error=0.005)
    assert epsilon <= found <= epsilon + 0.012  # an upper bound, by at most twice the error


@pytest.mark.parametrize(("noise", "steps"), [(2.0, 1), (4.0, 16), (10.0, 50)])
def test_without_sampling_it_is_the_gaussian_mechanism(noise, steps):
    """The exact curve of Balle and Wang 2018, theorem 8: steps of noise s are one of s / sqrt(steps)."""
    apart = math.sqrt(steps) / noise
    epsilon = epsilon_of([(noise, 1.0, steps)], 1e-5, error=0.005)
    delta = norm.cdf(apart / 2 - epsilon / apart) - np.exp(epsilon) * norm.cdf(-apart / 2 - epsilon / apart)
    assert delta == pytest.approx(1e-5, rel=0.1)


def test_nothing_is_spent_by_no_steps():
    assert epsilon_of([], 1e-5) == 0.0
    assert epsilon_of([(1.0, 0.1, 0)], 1e-5) == 0.0


def test_parts_of_a_training_add_up_to_the_whole():
    whole = epsilon_of([(1.0, 0.01, 1000)], 1e-5)
    parts = epsilon_of([(1.0, 0.01, 400), (1.0, 0.01, 600)], 1e-5)
    assert parts == pytest.approx(whole, abs=0.02)
    assert epsilon_of([(1.0, 0.01, 400), (0.7, 0.01, 600)], 1e-5) > whole


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 8.0])
def test_the_noise_comes_to_the_budget_and_not_beyond(epsilon):
    noise = noise_for(epsilon, 1e-5, 0.05, 200)
    spent = epsilon_of([(noise, 0.05, 200)], 1e-5, min(0.01, epsilon / 100))
    assert 0.95 * epsilon < spent <= epsilon
    assert epsilon_of([(0.9 * noise, 0.05, 200)], 1e-5, min(0.01, epsilon / 100)) > epsilon


def test_a_budget_that_no_noise_meets():
    with pytest.raises(
        ConfigError, match=r"^privacy.epsilon is too small for 100000000 steps; got 0.01. Take a larger"
    ):
        noise_for(0.01, 1e-9, 1.0, 100_000_000)


def test_so_many_steps_fit_and_one_more_does_not():
    steps = affordable([], 1.0, 0.1, 3.0, 1e-5, 500)
    assert 0 < steps < 500
    assert epsilon_of([(1.0, 0.1, steps)], 1e-5) <= 3.0 < epsilon_of([(1.0, 0.1, steps + 1)], 1e-5)
    assert affordable([(1.0, 0.1, steps)], 1.0, 0.1, 3.0, 1e-5, 500) == 0
    assert affordable([(1.0, 0.1, 10)], 1.0, 0.1, 3.0, 1e-5, 500) == steps - 10
    assert affordable([], 1.0, 0.1, 3.0, 1e-5, steps - 1) == steps - 1
