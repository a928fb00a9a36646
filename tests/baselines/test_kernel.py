"""Kernel machines against the closed form of the smallest problems, and scikit-learn."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.svm import SVC, SVR

from sensorium.baselines.kernel import fit_kernel


def test_two_points_have_the_closed_form():
    # Rows -1 and 1: the variance is 1, so the kernel is exp(-(x - y)^2). f(x) = c (k(x, 1) - k(x, -1)), f(1) = 1.
    machine = fit_kernel("binary", np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]))
    x = np.linspace(-3, 3, 13)
    value = (np.exp(-((x - 1) ** 2)) - np.exp(-((x + 1) ** 2))) / (1 - np.exp(-4))
    found = machine.predict_proba(x[:, None])
    assert machine.classes_.tolist() == [0, 1]
    np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-2 * value)), atol=1e-3)
    np.testing.assert_allclose(found.sum(1), 1)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_largest_share_is_the_machines_answer(classes):
    random = np.random.default_rng(0)
    target = np.arange(150) % classes
    angle = 2 * np.pi * target / classes
    features = np.c_[np.cos(angle), np.sin(angle)] * 3 + random.normal(size=(150, 2))
    machine, reference = fit_kernel("classification", features, target), SVC(C=10.0).fit(features, target)
    grid = random.normal(size=(200, 2)) * 4
    found = machine.predict_proba(grid)
    assert found.shape == (200, classes)
    np.testing.assert_allclose(found.sum(1), 1)
    assert (machine.classes_[found.argmax(1)] == reference.predict(grid)).mean() > 0.98  # but for ties of votes


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_sparse_features_are_divided_by_planes(task):
    random = np.random.default_rng(0)
    words = sparse.csr_array((random.random((90, 200)) < 0.05) * random.random((90, 200)))
    target = np.arange(90) % 3
    found = fit_kernel(task, words, target.astype(float))
    if task == "regression":
        reference = SVR(kernel="linear").fit(words, target)
        np.testing.assert_allclose(found.predict(words), reference.predict(words))
    else:
        reference = SVC(C=10.0, kernel="linear", decision_function_shape="ovr").fit(words, target)
        assert (found.predict_proba(words).argmax(1) == reference.decision_function(words).argmax(1)).all()


def test_what_no_plane_divides_is_learned():
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 2))
    inside = ((features**2).sum(1) < 1.2).astype(float)
    answers = fit_kernel("binary", features, inside).predict_proba(features).argmax(1)
    assert (answers == inside).mean() > 0.95


def test_numbers_are_scikit_learns():
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 2))
    target = np.sin(2 * features[:, 0])
    found = fit_kernel("regression", features, target).predict(features)
    np.testing.assert_allclose(found, SVR(C=1.0).fit(features, target).predict(features))
    assert np.abs(found - target).mean() < 0.15
