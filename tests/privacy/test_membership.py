"""What is said of an attack's scores, against scikit-learn and what must come out."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from sensorium.privacy.losses import confidences
from sensorium.privacy.membership import advantage_at, membership
from sensorium.privacy.shadows import likelihood_ratio


def scores(shift, count=300, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=count) + shift, random.normal(size=count + 50)


def test_scores_that_lie_apart_tell_all():
    found = membership(np.full(40, -0.001), np.linspace(-9, -3, 60), resamples=200)
    assert [found[name] for name in ("advantage", "auc", "tpr_at_1_fpr")] == [{"value": 1, "low": 1, "high": 1}] * 3
    assert advantage_at(np.zeros(5), np.full(5, -1.0), 0.0) == {"value": 1, "low": 1, "high": 1}


def test_scores_that_are_all_equal_tell_nothing():
    found = membership(np.zeros(40), np.zeros(60), resamples=200)
    assert (found["advantage"]["value"], found["auc"]["value"], found["tpr_at_1_fpr"]["value"]) == (0, 0.5, 0)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_area_and_share_at_few_alarms_are_those_of_scikit_learn(shift):
    members, others = scores(shift)
    truth, together = np.repeat([1, 0], [len(members), len(others)]), np.concatenate([members, others])
    alarms, hits, _ = roc_curve(truth, together, drop_intermediate=False)
    found = membership(members, others, resamples=200)
    assert found["auc"]["value"] == pytest.approx(roc_auc_score(truth, together))
    assert found["tpr_at_1_fpr"]["value"] == pytest.approx(hits[alarms <= 0.01].max())


def test_the_advantage_of_two_gaussians_is_that_of_the_formula():
    members, others = scores(1.0, 40_000)
    found = membership(members, others)["advantage"]
    assert found["value"] == pytest.approx(0.3829, abs=0.02)  # 2 Phi(1/2) - 1, at the best threshold 1/2
    assert found["low"] < 0.3829 < found["high"]
    assert advantage_at(members, others, 0.5)["value"] == pytest.approx(0.3829, abs=0.02)


def test_intervals_cover_nothing_where_there_is_nothing():
    found = [membership(*scores(0.0, 200, seed), resamples=200, seed=seed) for seed in range(40)]
    for name, chance in (("advantage", 0.0), ("auc", 0.5)):
        covered = sum(one[name]["low"] <= chance <= one[name]["high"] for one in found)
        assert covered >= 34  # of 38 expected; fewer than 34 come by chance in 2 % of the cases
    assert abs(np.mean([one["advantage"]["value"] for one in found])) < 0.03  # the halves keep it from being flattered


def test_confidence_is_the_logit():
    shares = np.array([0.01, 0.5, 0.9, 1 - 1e-9])
    assert confidences(-np.log(shares)) == pytest.approx(np.log(shares / (1 - shares)), rel=1e-6)
    assert np.isfinite(confidences(np.array([0.0, 1e-300, 50.0]))).all()


def test_likelihood_ratio_is_a_deviation_from_models_that_never_saw_the_row():
    outside = np.array([[1.0, np.nan, 0.0], [np.nan, 5.0, np.nan], [3.0, np.nan, 4.0], [np.nan, 7.0, np.nan]])
    spread = np.sqrt((2 * 1 + 2 * 1 + 2 * 4) / 3)  # of all rows together, three degrees of freedom
    assert likelihood_ratio(np.array([2.0, 8.0, 0.0]), outside) == pytest.approx(np.array([0, 2, -2]) / spread)


def test_with_many_models_each_row_has_its_own_spread():
    random = np.random.default_rng(0)
    outside = random.normal(size=(20, 2)) * [1.0, 10.0] + [3.0, -3.0]
    expected = (np.array([4.0, 4.0]) - outside.mean(0)) / outside.std(0, ddof=1)
    assert likelihood_ratio(np.array([4.0, 4.0]), outside) == pytest.approx(expected)


def test_a_row_that_every_model_saw_has_no_score():
    assert np.isnan(likelihood_ratio(np.zeros(1), np.full((2, 1), np.nan))).all()
