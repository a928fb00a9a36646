"""Offsets against trying all there are."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import f1_score

from sensorium.data.targets import shifted
from sensorium.evaluation.offsets import choose_offsets, cross_fitted


def macro(truth, answers):
    return f1_score(truth, answers, average="macro")


def rows(seed, classes, count, rare=1.0):
    """Rows of classes that get rarer by a factor, and probabilities that know something of them."""
    random = np.random.default_rng(seed)
    share = rare ** -np.arange(classes)
    truth = np.r_[np.arange(classes), random.choice(classes, count - classes, p=share / share.sum())]
    logits = random.normal(size=(count, classes)) + 1.5 * np.eye(classes)[truth] + np.log(share)
    shares = np.exp(logits)
    return truth, shares / shares.sum(1, keepdims=True)


@pytest.mark.parametrize("seed", range(10))
def test_of_two_classes_it_is_the_best_threshold(seed):
    truth, shares = rows(seed, 2, 60, rare=6.0)
    edges = np.sort(shares[:, 1])
    thresholds = np.r_[0, (edges[1:] + edges[:-1]) / 2, 1]
    best = max(macro(truth, shares[:, 1] > threshold) for threshold in thresholds)
    offsets = choose_offsets(truth, shares)
    assert offsets[0] == 0
    answers = shifted(shares, offsets).argmax(1)
    assert macro(truth, answers) == pytest.approx(best, abs=1e-12)
    np.testing.assert_array_equal(answers, shares[:, 1] > expit(-offsets[1]))  # one threshold
    assert np.isfinite(logit(expit(-offsets[1])))


def bettered(truth, shares, offsets):
    """How much macro F1 any one offset could gain, of all that can matter."""
    scores = shifted(shares, offsets)
    best = 0.0
    for place in range(shares.shape[1]):
        others = np.delete(scores, place, axis=1).max(1)
        needed = np.sort(others - scores[:, place])
        for change in np.r_[needed[0] - 1, (needed[1:] + needed[:-1]) / 2, needed[-1] + 1]:
            moved = scores.copy()
            moved[:, place] += change
            best = max(best, macro(truth, moved.argmax(1)))
    return best - macro(truth, scores.argmax(1))


@pytest.mark.parametrize("seed", range(6))
def test_of_more_no_single_offset_can_be_bettered(seed):
    truth, shares = rows(seed, 3 + seed % 3, 40, rare=2.0)
    offsets = choose_offsets(truth, shares)
    assert macro(truth, shifted(shares, offsets).argmax(1)) >= macro(truth, shares.argmax(1))
    assert bettered(truth, shares, offsets) < 1e-9


def test_a_class_that_no_row_has_is_scored_as_scikit_learn_does():
    random = np.random.default_rng(0)
    truth, shares = random.integers(0, 2, 40), random.dirichlet(np.ones(4), 40)
    offsets = choose_offsets(truth, shares)
    assert bettered(truth, shares, offsets) < 1e-9
    found = macro(truth, shifted(shares, offsets).argmax(1))
    assert found > macro(truth, shares.argmax(1)) + 0.2  # the absent classes are answered no more


@pytest.mark.parametrize("seed", range(3))
def test_of_three_classes_it_comes_near_the_best_of_a_grid(seed):
    truth, shares = rows(seed, 3, 60, rare=3.0)
    steps = np.linspace(-4, 4, 21)
    best = max(macro(truth, shifted(shares, [0, a, b]).argmax(1)) for a in steps for b in steps)
    assert macro(truth, shifted(shares, choose_offsets(truth, shares)).argmax(1)) >= best - 0.03


def test_nothing_to_gain_changes_nothing():
    truth = np.array([0, 1, 2, 1])
    assert choose_offsets(truth, np.eye(3)[truth]).tolist() == [0, 0, 0]


def test_equal_rows_turn_together():
    shares = np.tile([[0.7, 0.3]], (5, 1))
    offsets = choose_offsets(np.array([0, 1, 1, 1, 1]), shares)
    assert shifted(shares, offsets).argmax(1).tolist() == [1] * 5


def test_a_probability_of_zero_is_no_trouble():
    assert np.isfinite(choose_offsets(np.array([0, 1, 1]), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))).all()


def test_offsets_of_noise_gain_on_their_own_rows_alone():
    gains = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        truth, shares = random.integers(0, 3, 90), random.dirichlet(np.ones(3), 90)
        plain = macro(truth, shares.argmax(1))
        own = macro(truth, shifted(shares, choose_offsets(truth, shares)).argmax(1))
        gains.append((own - plain, cross_fitted(truth, shares) - plain))
    own, crossed = np.mean(gains, axis=0)
    assert own > 0.03
    assert abs(crossed) < 0.03


def test_cross_fitted_offsets_gain_where_there_is_something_to_gain():
    truth, shares = rows(0, 2, 2000, rare=30.0)
    plain = macro(truth, shares.argmax(1))
    assert cross_fitted(truth, shares) > plain + 0.02
    assert cross_fitted(truth, shares) == cross_fitted(truth, shares)
