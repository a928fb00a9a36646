"""Metrics against scikit-learn and closed forms; intervals against the distributions that they estimate."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from sensorium.evaluation.metrics import MAIN, METRICS, score


@pytest.fixture
def random():
    return np.random.default_rng(0)


def values(task, truth, output):
    return {name: found["value"] for name, found in score(task, truth, output, resamples=0).items()}


def shares(random, rows, classes):
    return random.dirichlet(np.ones(classes), rows)


def calibration_error(truth, output):
    """By hand, bin after bin; test_reliability.py has more of it."""
    confidence, right, total = output.max(1), output.argmax(1) == truth, 0.0
    for bin in range(15):
        rows = (confidence > bin / 15) & (confidence <= (bin + 1) / 15)
        total += abs((right[rows] - confidence[rows]).sum())
    return total / len(truth)


def test_every_task_has_its_main_metric_first():
    assert set(MAIN) == set(METRICS)
    assert all(MAIN[task] == next(iter(metrics)) for task, metrics in METRICS.items())


@pytest.mark.parametrize(("task", "classes"), [("binary", 2), ("classification", 2), ("classification", 5)])
def test_classes_are_scored_as_scikit_learn_does(random, task, classes):
    truth, output = random.integers(0, classes, 300), shares(random, 300, classes)
    answers = output.argmax(1)
    expected = {
        "accuracy": reference.accuracy_score(truth, answers),
        "macro_f1": reference.f1_score(truth, answers, average="macro"),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, answers),
        "log_loss": reference.log_loss(truth, output),
        "ece": calibration_error(truth, output),
    }
    if task == "binary":
        expected["roc_auc"] = reference.roc_auc_score(truth, output[:, 1])
    assert values(task, truth, output) == pytest.approx(expected, abs=1e-12)


def test_classes_that_do_not_occur_are_left_out_of_means(random):
    truth, output = random.choice([0, 2], 100), shares(random, 100, 5)
    output[:, 4] = 0
    answers = output.argmax(1)  # 4 is neither a truth nor an answer, 1 and 3 are answers alone
    found = values("classification", truth, output)
    assert found["macro_f1"] == pytest.approx(reference.f1_score(truth, answers, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(
        np.mean([(answers[truth == kind] == kind).mean() for kind in (0, 2)])
    )


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(random):
    truth = np.array([0.0] * 30 + [1.0] * 20)
    yes = random.integers(0, 8, 50) / 8  # with ties, which count half
    pairs = [(b > a) + 0.5 * (b == a) for a in yes[:30] for b in yes[30:]]
    assert values("binary", truth, np.stack([1 - yes, yes], 1))["roc_auc"] == pytest.approx(np.mean(pairs))


def test_log_loss_of_a_certain_and_wrong_answer_is_finite():
    found = values("classification", np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert found["log_loss"] == pytest.approx(-np.log(1e-15) / 2)


def test_labels_are_scored_as_scikit_learn_does(random):
    truth, output = (random.random((200, 4)) < [0.5, 0.3, 0.1, 0]).astype(float), random.random((200, 4))
    output[:, 3] *= 0.5  # a label that neither is nor is answered is in no mean
    answers = output > 0.5
    expected = {
        "micro_f1": reference.f1_score(truth, answers, average="micro"),
        "macro_f1": reference.f1_score(truth, answers, average="macro", zero_division=np.nan),
        "exact": reference.accuracy_score(truth, answers),
    }
    assert values("multilabel", truth, output) == pytest.approx(expected, abs=1e-12)


def test_numbers_are_scored_as_scikit_learn_does(random):
    truth, output = 1000 + random.normal(size=200), 1000 + random.normal(size=200)
    expected = {
        "r2": reference.r2_score(truth, output),
        "rmse": reference.root_mean_squared_error(truth, output),
        "mae": reference.mean_absolute_error(truth, output),
    }
    assert values("regression", truth, output) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("task", "truth", "output", "left_out"),
    [
        ("binary", np.ones(4), np.tile([0.3, 0.7], (4, 1)), {"roc_auc"}),
        ("binary", np.zeros(4), np.tile([0.3, 0.7], (4, 1)), {"roc_auc"}),
        ("multilabel", np.zeros((4, 2)), np.zeros((4, 2)), {"micro_f1", "macro_f1"}),
        ("regression", np.full(4, 2.5), np.arange(4.0), {"r2"}),
    ],
)
def test_what_the_rows_do_not_define_is_left_out(task, truth, output, left_out):
    for resamples in (0, 20):
        assert set(METRICS[task]) - set(score(task, truth, output, resamples)) == left_out


def test_without_resamples_there_is_no_interval(random):
    for found in score("regression", random.normal(size=9), random.normal(size=9), resamples=0).values():
        assert found["low"] == found["value"] == found["high"]


def test_samples_in_which_a_metric_is_undefined_do_not_count():
    truth = np.array([0.0] * 19 + [1.0])  # a third of the samples lack the only row of class 1
    yes = np.linspace(0, 1, 20)
    found = score("binary", truth, np.stack([1 - yes, yes], 1), resamples=200)["roc_auc"]
    assert found == {"value": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize(("rows", "right"), [(100, 70), (400, 380)])
def test_an_accuracys_interval_is_the_binomial_distributions(rows, right):
    truth = np.zeros(rows, dtype=int)
    answers = np.where(np.arange(rows) < right, 0, 1)
    found = score("classification", truth, np.eye(2)[answers], resamples=4000)["accuracy"]
    assert found["value"] == right / rows
    low, high = stats.binom.ppf([0.025, 0.975], rows, right / rows) / rows
    assert found["low"] == pytest.approx(low, abs=1.01 / rows)
    assert found["high"] == pytest.approx(high, abs=1.01 / rows)


def test_a_mean_errors_interval_is_the_normal_distributions(random):
    output = random.normal(size=1000)
    errors = np.abs(output)
    found = score("regression", np.zeros(1000), output, resamples=4000)["mae"]
    spread = stats.norm.ppf(0.975) * errors.std() / np.sqrt(1000)
    assert found["high"] - found["value"] == pytest.approx(spread, rel=0.08)
    assert found["value"] - found["low"] == pytest.approx(spread, rel=0.08)


def test_the_interval_depends_on_the_seed_alone(random):
    truth, output = random.normal(size=50), random.normal(size=50)
    first, again, other = (score("regression", truth, output, 100, seed)["mae"] for seed in (1, 1, 2))
    assert first == again
    assert first["value"] == other["value"]
    assert first["low"] != other["low"]
