"""Calibration error and Brier score by hand, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from sensorium.evaluation.metrics import score
from sensorium.evaluation.reliability import brier, ece, reliability

# Four answers, two with 0.9 (one right) and two with 0.6 (both right): gaps of 0.4 in both bins.
TRUTH = np.array([0, 1, 1, 1])
OUTPUT = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])


@pytest.mark.parametrize("equal_mass", [False, True])
def test_the_calibration_error_by_hand(equal_mass):
    assert ece(TRUTH, OUTPUT, bins=2, equal_mass=equal_mass) == pytest.approx(
        # Of equal width both answers are in the upper half: 3/4 right at 0.75 on average. Of equal mass: 0.4 each.
        0.4 if equal_mass else 0.0
    )
    assert ece(TRUTH, OUTPUT, bins=10, equal_mass=False) == pytest.approx(0.4)


def test_a_certain_answer_and_an_edge_have_a_bin():
    output = np.array([[1.0, 0.0], [0.5, 0.5]])
    assert ece(np.array([0, 0]), output, bins=2) == pytest.approx(0.25)  # 0.5 is in the lower bin, and right
    rows = reliability(np.array([0, 0]), output, bins=2)
    assert [(row["low"], row["high"], row["rows"]) for row in rows] == [(0.0, 0.5, 1), (0.5, 1.0, 1)]


def test_the_reliability_table_is_scikit_learns_curve():
    random = np.random.default_rng(0)
    yes = random.uniform(0.5, 1, 500)
    truth = (random.random(500) < yes).astype(int)
    rows = reliability(truth, np.stack([1 - yes, yes], axis=1), bins=10)
    accuracy, confidence = calibration_curve(truth, yes, n_bins=10)  # all answers are yes: confidence is its share
    assert [row["accuracy"] for row in rows] == pytest.approx(accuracy)
    assert [row["confidence"] for row in rows] == pytest.approx(confidence)
    assert sum(row["rows"] for row in rows) == 500
    by_hand = sum(row["rows"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / 500
    assert ece(truth, np.stack([1 - yes, yes], axis=1), bins=10) == pytest.approx(by_hand)


def test_bins_of_equal_mass_hold_equally_many_rows():
    random = np.random.default_rng(0)
    output, truth = random.dirichlet(np.ones(3), 600), random.integers(0, 3, 600)
    order = np.argsort(output.max(1), kind="stable").reshape(15, 40)  # 15 bins of 40 rows
    gaps = [abs((output[r].argmax(1) == truth[r]).mean() - output[r].max(1).mean()) for r in order]
    assert ece(truth, output, equal_mass=True) == pytest.approx(np.mean(gaps))


@pytest.mark.parametrize("classes", [2, 4])
def test_the_brier_score_is_scikit_learns(classes):
    random = np.random.default_rng(0)
    output, truth = random.dirichlet(np.ones(classes), 200), random.integers(0, classes, 200)
    expected = brier_score_loss(truth, output, labels=range(classes), scale_by_half=False)
    assert brier(truth, output) == pytest.approx(expected)


def test_evaluate_reports_the_error_of_equal_width():
    random = np.random.default_rng(0)
    output, truth = random.dirichlet(np.ones(3), 300), random.integers(0, 3, 300)
    found = score("classification", truth, output, resamples=50)["ece"]
    assert found["value"] == ece(truth, output) != ece(truth, output, equal_mass=True)
    assert found["low"] < found["high"]
