"""Likely label errors by confident learning."""

import numpy as np
import pytest

from sensorium.data.targets import TargetCoder
from sensorium.explain.label_errors import label_errors

CODER = TargetCoder("label", "classification", ["a", "b", "c"], [1, 1, 1])


def test_turned_labels_are_found_and_have_the_least_quality():
    random = np.random.default_rng(0)
    truth = np.arange(300) % 3
    shares = random.dirichlet(np.ones(3), 300) * 0.2 + 0.8 * np.eye(3)[truth]
    given = truth.copy()
    given[:12] = (given[:12] + 1) % 3
    places, quality = label_errors(CODER, given, shares)
    assert set(places) <= set(range(12))
    assert len(places) >= 9
    assert quality[:12].max() < quality[12:].min()
    assert (np.diff(quality[places]) >= 0).all()
    np.testing.assert_allclose(quality, shares[np.arange(300), given])  # self-confidence, by its definition


def test_several_labels_a_row():
    random = np.random.default_rng(1)
    truth = (random.random((200, 2)) > 0.5).astype(float)
    shares = np.clip(truth * 0.9 + 0.05 + 0.04 * random.normal(size=(200, 2)), 0.01, 0.99)
    given = truth.copy()
    given[:8, 0] = 1 - given[:8, 0]
    places, quality = label_errors(TargetCoder("tags", "multilabel", ["a", "b"], [1, 1]), given, shares)
    assert set(places) <= set(range(8))
    assert len(places) >= 5
    assert quality.shape == (200,)


def test_a_label_that_all_rows_have_hides_none_of_the_others():
    random = np.random.default_rng(2)
    truth = np.stack([random.random(100) > 0.5, np.ones(100)], 1).astype(float)
    shares = np.clip(truth * 0.9 + 0.05, 0, 1)
    given = truth.copy()
    given[:5, 0] = 1 - given[:5, 0]
    places, quality = label_errors(TargetCoder("tags", "multilabel", ["a", "b"], [1, 1]), given, shares)
    assert sorted(places) == [0, 1, 2, 3, 4]
    assert quality[:5].max() < quality[5:].min()


@pytest.mark.parametrize(("rows", "label"), [(1, 0), (2, 0), (20, 2)])
def test_of_one_class_only_no_label_is_likelier_wrong(rows, label):
    places, quality = label_errors(CODER, np.full(rows, label), np.full((rows, 3), 1 / 3))
    assert len(places) == 0
    np.testing.assert_allclose(quality, 1 / 3)


def test_a_class_that_no_row_has_and_classes_of_few_rows():
    """cleanlab warns of those; here warnings are errors."""
    places, _ = label_errors(CODER, np.array([0, 1, 0, 1]), np.eye(3)[[0, 1, 0, 1]] * 0.7 + 0.1)
    assert len(places) == 0
