"""Tests of significance against closed forms, values worked by hand, and their promises on drawn data."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from sensorium.comparison.paired import differences, holm, mcnemar, two_sided


def discordant(first, second, alike=5):
    """Two models, one right in `first` rows where the other is wrong, the other in `second`; both in `alike` rows."""
    right = np.r_[np.ones(first), np.zeros(second), np.ones(alike), np.zeros(alike)] > 0
    other = np.r_[np.zeros(first), np.ones(second), np.ones(alike), np.zeros(alike)] > 0
    return right, other


@pytest.mark.parametrize(("first", "second"), [(8, 2), (2, 8), (1, 0), (5, 5), (30, 11)])
def test_mcnemar_is_a_two_sided_test_of_a_coin(first, second):
    tail = sum(math.comb(first + second, k) for k in range(min(first, second) + 1)) / 2 ** (first + second)
    found = mcnemar(*discordant(first, second))
    assert found == pytest.approx(min(1.0, 2 * tail))
    assert found == pytest.approx(binomtest(first, first + second, 0.5).pvalue)


def test_rows_on_which_both_agree_say_nothing():
    assert mcnemar(*discordant(9, 1, alike=0)) == mcnemar(*discordant(9, 1, alike=500))
    assert mcnemar(*discordant(0, 0)) == 1.0


def test_equal_models_are_seldom_told_apart():
    random = np.random.default_rng(0)
    found = [mcnemar(*(random.random((2, 80)) < 0.7)) for _ in range(1000)]
    assert 0.005 < np.mean(np.array(found) < 0.05) <= 0.05


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.03, 0.001], [0.03, 0.002]),
        ([0.5, 0.6, 0.7], [1.0, 1.0, 1.0]),
        ([0.04], [0.04]),
        ([], []),
    ],
)
def test_holm_by_hand(given, wanted):
    assert holm(given) == pytest.approx(wanted)


def test_holm_keeps_false_alarms_rare():
    random = np.random.default_rng(1)
    assert np.mean([min(holm(random.random(10))) < 0.05 for _ in range(2000)]) == pytest.approx(0.05, abs=0.015)


def mean_error(truth, output):
    return -float(np.abs(truth - output).mean())


def test_intervals_of_a_difference_hold_it_about_as_often_as_they_say():
    """|N(0, s)| has the mean s sqrt(2/pi); half of the error is the same for both models."""
    true = math.sqrt(2 / math.pi) * (math.sqrt(2) - math.sqrt(1 + 0.5**2))
    random = np.random.default_rng(2)
    inside, covered = [], []
    for trial in range(200):
        truth, shared = np.zeros(60), random.normal(size=60)
        drawn = differences(
            mean_error, truth, shared + random.normal(0, 0.5, 60), shared + random.normal(size=60), 200, trial
        )
        low, high = np.quantile(drawn, [0.025, 0.975])
        covered.append(low <= true <= high)
        inside.append(low <= true + 0.5 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99
    assert np.mean(inside) < 0.05  # they don't hold whatever one likes


def test_the_mean_and_spread_of_differences_of_means():
    """The difference of two means is that of the rows' differences: its bootstrap deviation is known."""
    random = np.random.default_rng(3)
    truth, first, second = random.normal(size=(3, 400))
    drawn = differences(lambda t, o: float(o.mean()), truth, first, second, resamples=4000)
    gaps = first - second
    assert drawn.mean() == pytest.approx(gaps.mean(), abs=0.01)
    assert drawn.std() == pytest.approx(gaps.std() / 20, rel=0.05)


def test_samples_that_do_not_define_the_metric_are_left_out():
    drawn = differences(
        lambda t, o: float("nan") if t.all() or not t.any() else float(o.mean()),
        np.array([1, 0]), np.ones(2), np.zeros(2), 100,
    )  # fmt: skip
    assert 0 < len(drawn) < 100
    assert (drawn == 1).all()


def test_p_of_bootstrap_samples():
    assert two_sided(np.arange(1, 100)) == pytest.approx(2 / 100)  # none on the other side
    assert two_sided(-np.arange(1, 100)) == pytest.approx(2 / 100)
    assert two_sided(np.r_[np.ones(95), -np.ones(4)]) == pytest.approx(0.1)
    assert two_sided(np.zeros(50)) == 1.0
    random = np.random.default_rng(4)
    found = []
    for trial in range(300):
        a, b = random.normal(size=(2, 50))
        found.append(two_sided(differences(lambda t, o: float(o.mean()), a, a, b, 200, trial)))
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.1)
