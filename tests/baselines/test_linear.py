"""Linear models against their closed form and scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sensorium.baselines.linear import fit_linear


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_ridge_regression_is_its_closed_form(random):
    features, target = random.normal(size=(30, 4)), random.normal(size=30)
    x, y = features - features.mean(0), target - target.mean()
    slope = np.linalg.solve(x.T @ x + 10 * np.eye(4), x.T @ y)
    expected = target.mean() + (features - features.mean(0)) @ slope
    np.testing.assert_allclose(fit_linear("regression", features, target).predict(features), expected)


def test_logistic_regression_has_no_gradient_left(random):
    features = random.normal(size=(80, 3))
    target = (features[:, 0] + random.normal(size=80) > 0).astype(float)
    model = fit_linear("binary", features, target)
    assert model.classes_.tolist() == [0, 1]
    wrong = model.predict_proba(features)[:, 1] - target
    slope = model[-1].coef_[0]
    # The gradient of sum(loss) + |slope|^2 / 2; at no slope it is some 20.
    np.testing.assert_allclose(features.T @ wrong + slope, 0, atol=0.2)
    assert wrong.sum() == pytest.approx(0, abs=0.2)


def test_several_classes_have_one_model(random):
    features, target = random.normal(size=(90, 3)), np.repeat([0, 1, 2], 30)
    features[np.arange(90), target] += 2
    expected = LogisticRegression(C=1.0, max_iter=300, tol=1e-3).fit(features, target).predict_proba(features)
    np.testing.assert_allclose(fit_linear("classification", features, target).predict_proba(features), expected)


def test_each_label_has_a_model_of_its_own_and_one_that_never_changes_no_warning(random):
    features = random.normal(size=(80, 3))
    target = np.c_[features[:, 0] > 0, features[:, 1] > 0.5, np.ones(80), np.zeros(80)].astype(np.float32)
    found = fit_linear("multilabel", features, target).predict_proba(features)
    for label in (0, 1):
        alone = fit_linear("binary", features, target[:, label]).predict_proba(features)[:, 1]
        np.testing.assert_allclose(found[:, label], alone, atol=1e-6)
    assert found[:, 2:].tolist() == [[1, 0]] * 80
