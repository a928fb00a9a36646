"""Naive Bayes over several inputs is naive Bayes over all their features: against scikit-learn and by hand."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn.naive_bayes import GaussianNB, MultinomialNB

from sensorium.baselines.naive_bayes import ALPHA, SMOOTHING, fit_naive_bayes


@pytest.fixture
def rows():
    """60 rows of three uneven classes, each told by a dense input, another of other scales, and counts."""
    random = np.random.default_rng(0)
    kinds = random.choice(3, 60, p=[0.5, 0.3, 0.2])
    dense = random.normal(size=(60, 4)) + kinds[:, None]
    other = 50 * random.normal(size=(60, 2)) - 20 * kinds[:, None]
    counts = sparse.csr_array(random.poisson(0.5 + np.eye(3)[kinds] @ random.random((3, 6))).astype(float))
    return kinds, {"a": dense, "b": other, "text": counts}


def test_dense_inputs_together_are_one_gaussian_naive_bayes_of_all_columns(rows):
    kinds, inputs = rows
    chosen = {name: inputs[name] for name in "ab"}
    standard = np.hstack([given / given.std(0) for given in chosen.values()])
    wanted = GaussianNB(var_smoothing=SMOOTHING).fit(standard, kinds).predict_proba(standard)
    found = fit_naive_bayes("classification", chosen, kinds)
    np.testing.assert_allclose(found.predict_proba(chosen), wanted, rtol=1e-6, atol=1e-12)
    assert found.parameters == 3 + 2 * 3 * 6


def test_one_sparse_input_is_the_multinomial_one(rows):
    kinds, inputs = rows
    chosen = {"text": inputs["text"]}
    wanted = MultinomialNB(alpha=ALPHA).fit(inputs["text"], kinds)
    found = fit_naive_bayes("classification", chosen, kinds)
    np.testing.assert_allclose(found.predict_proba(chosen), wanted.predict_proba(inputs["text"]))
    assert found.parameters == 3 + 3 * 6


def test_the_prior_counts_once_however_many_inputs_there_are(rows):
    """Bayes by hand: log prior + the log densities of all features, added."""
    kinds, inputs = rows
    found = fit_naive_bayes("classification", inputs, kinds).predict_proba(inputs)
    log = np.log(np.bincount(kinds) / 60)[None] + np.zeros((60, 3))
    for kind in range(3):
        own = kinds == kind
        for name in "ab":
            given = inputs[name] / inputs[name].std(0)
            variance = given[own].var(0) + SMOOTHING
            log[:, kind] -= 0.5 * (np.log(2 * np.pi * variance) + (given - given[own].mean(0)) ** 2 / variance).sum(1)
        words = inputs["text"].toarray()
        weight = words[own].sum(0) + ALPHA
        log[:, kind] += words @ np.log(weight / weight.sum())
    np.testing.assert_allclose(found, softmax(log, axis=1), rtol=1e-6, atol=1e-12)


def test_a_feature_that_never_varies_within_a_class_does_not_rule_alone():
    random = np.random.default_rng(1)
    kinds = np.repeat([0, 1], 30)
    flag = np.r_[np.ones(30), (random.random(30) < 0.5)].astype(float)
    found = fit_naive_bayes("binary", {"a": np.c_[flag, random.normal(size=60) + 4 * kinds]}, kinds)
    shares = found.predict_proba({"a": np.array([[1.0, 4.0]])})
    assert shares[0, 1] > 0.5  # the second feature says so


def test_labels_each_have_their_own(rows):
    kinds, inputs = rows
    labels = np.c_[kinds == 0, kinds == 1, np.ones(60), np.zeros(60)].astype(np.float32)
    found = fit_naive_bayes("multilabel", inputs, labels)
    said = found.predict_proba(inputs)
    assert said.shape == (60, 4)
    for place in (0, 1):
        wanted = fit_naive_bayes("binary", inputs, labels[:, place]).predict_proba(inputs)[:, 1]
        np.testing.assert_allclose(said[:, place], wanted)
    assert (said[:, 2] == 1).all()
    assert (said[:, 3] == 0).all()
    assert found.parameters == sum(model.parameters for model in found.fitted)
