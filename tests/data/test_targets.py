import json

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import LabelEncoder, MultiLabelBinarizer, StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from sensorium.data.targets import TargetCoder, fit_target, guess_task, is_filled, label, labels, number
from sensorium.errors import DataError


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12), (" -1.5 ", -1.5), ("1e3", 1000), ("1,234", 1234), ("-1,234,567.5", -1234567.5), ("1,00,000", 100000),
        ("12,5", 12.5), ("0,25", 0.25), ("-3,1415", -3.1415), (7, 7), (np.float32(2.5), 2.5), (True, 1), ("٣", 3),
        ("NA", None), ("", None), (None, None), ("nan", None), ("inf", None), (float("-inf"), None), ("1,2,3", None),
        ("1.234,5", None), ("2024_01", None), ("3 kg", None), ("0x10", None), ([1, 2], None), (np.array([1]), None),
        (pd.NaT, None),
    ],
    ids=repr,
)  # fmt: skip
def test_the_number_in_a_cell(cell, value):
    assert number(cell) == value


@pytest.mark.parametrize(
    ("cell", "name"),
    [(" yes ", "yes"), (3.0, "3"), (np.float64(3), "3"), (3, "3"), ("3.0", "3.0"), (2.5, "2.5"), (True, "True"), ("007", "007"), ("是", "是")],
    ids=repr,
)  # fmt: skip
def test_the_class_in_a_cell(cell, name):
    assert label(cell) == name


@pytest.mark.parametrize(
    ("cell", "names"),
    [("a|b", ["a", "b"]), ("a, b", ["a", "b"]), ("a;b;", ["a", "b"]), ("a|b, c", ["a", "b, c"]), (["a", 3.0], ["a", "3"]), ([], []), ("猫|狗", ["猫", "狗"])],
    ids=repr,
)  # fmt: skip
def test_the_labels_in_a_cell(cell, names):
    assert labels(cell) == names


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["a", "b"] * 30, "classification"),
        ([0, 1, 2] * 30, "classification"),
        (list(range(20)) * 3, "classification"),
        ([*range(60), None], "regression"),
        ([f"{i / 7:.2f}" for i in range(30)], "regression"),
        ([f"{i / 7:.2f}" for i in range(30)] + ["NA", ""], "regression"),
        ([f"{i},{i % 10}" for i in range(30)], "regression"),
        ([f"{i / 7:.2f}" for i in range(30)] + ["cheap"], "classification"),
        (list(range(30)) * 4, "classification"),
        (list(range(51)) * 100, "classification"),  # 51 whole numbers of 5100: grades, not amounts
        (["NA", "DE"] * 5, "classification"),
        ([["a"], ["a", "b"], []], "multilabel"),
        ([None, ""], "classification"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_task_is_guessed_from_the_cells(cells, task):
    assert guess_task(cells) == task


@pytest.mark.parametrize(
    ("cell", "task", "filled"),
    [("NA", "classification", True), ("NA", "regression", False), ("", "classification", False), ([], "multilabel", True), ("", "multilabel", False), (0, "binary", True), (0, "regression", True)],
    ids=repr,
)  # fmt: skip
def test_what_can_be_learned_from(cell, task, filled):
    assert is_filled(cell, task) is filled


@pytest.mark.parametrize(
    ("cells", "task"), [(["no", "yes", "no", "yes", "yes"], "binary"), (["猫", "狗", "b", "狗", "猫", "b"], "classification")]
)  # fmt: skip
def test_classes_are_coded_as_scikit_learn_does(cells, task):
    coder = fit_target("label", cells, "classification")
    theirs = LabelEncoder().fit(cells)
    values, mask = coder.encode([*cells, "", "new", None])
    assert coder.task == task
    assert coder.classes == list(theirs.classes_)
    assert coder.counts == list(np.bincount(theirs.transform(cells)))
    np.testing.assert_array_equal(values[: len(cells)], theirs.transform(cells))
    assert values.dtype == (np.float32 if task == "binary" else np.int64)
    assert mask.tolist() == [True] * len(cells) + [False] * 3
    assert coder.unknown(["new", "", *cells, "also"]) == ["also", "new"]
    probabilities = np.eye(len(coder.classes))[theirs.transform(cells)]
    assert coder.decode(probabilities).tolist() == cells
    assert coder.decode(probabilities).name == "label"


def test_classes_of_numbers_and_text_are_the_same():
    coder = fit_target("label", [0, 1, 0, 1], "classification")
    assert coder.encode(["0", 1.0, np.int8(1), True])[0].tolist() == [0, 1, 1, 0]
    assert coder.encode(["0", 1.0, np.int8(1), True])[1].tolist() == [True, True, True, False]


def test_numbers_are_standardised_as_scikit_learn_does():
    prices = np.random.default_rng(0).normal(900, 30, size=40)
    coder = fit_target("price", [*(f"{x:,.6f}" for x in prices), "", "NA"], "regression")
    theirs = StandardScaler().fit(prices[:, None])
    values, mask = coder.encode([*prices, "NA", None])
    np.testing.assert_allclose([coder.mean, coder.scale], [theirs.mean_[0], theirs.scale_[0]], rtol=1e-8)
    np.testing.assert_allclose(values[:40], theirs.transform(prices[:, None])[:, 0], rtol=1e-4, atol=1e-5)
    assert mask.tolist() == [True] * 40 + [False] * 2
    np.testing.assert_allclose(coder.decode(values[:40]), prices, rtol=1e-6)
    assert coder.unknown(["new"]) == []
    assert coder.class_weights() is None


def test_labels_are_coded_as_scikit_learn_does():
    rows = [["b", "a"], ["c"], [], ["a", "c"]]
    coder = fit_target("tags", rows, "multilabel")
    theirs = MultiLabelBinarizer().fit(rows)
    values, mask = coder.encode([*rows, "c|b", "new|a", None])
    assert coder.classes == list(theirs.classes_)
    assert coder.counts == list(theirs.transform(rows).sum(0))
    np.testing.assert_array_equal(values, theirs.transform([*rows, ["c", "b"], ["a"], []]))
    assert mask.tolist() == [True] * 6 + [False]
    assert coder.decode(np.array([[0.9, 0.2, 0.51], [0.5, 0.1, 0.0]])).tolist() == ["a|c", ""]
    assert coder.unknown(["new|a", ["more"]]) == ["more", "new"]
    assert coder.class_weights() is None


@pytest.mark.parametrize("counts", [[90, 10], [2, 30, 400], [16, 10]])
def test_class_weights_are_the_root_of_scikit_learns_balanced_ones(counts):
    cells = np.repeat([f"c{i}" for i in range(len(counts))], counts)
    balanced = compute_class_weight("balanced", classes=np.unique(cells), y=cells)
    wanted = np.sqrt(balanced)
    weights = fit_target("label", cells, "classification").class_weights()
    np.testing.assert_allclose(weights, wanted * len(cells) / (wanted * counts).sum(), rtol=1e-12)
    assert np.average(weights, weights=counts) == pytest.approx(1)


def test_even_classes_need_no_weights():
    assert fit_target("label", ["a"] * 15 + ["b"] * 10, "classification").class_weights() is None


def test_a_coder_goes_through_json():
    coder = fit_target("label", ["a", "b", "b", "a", "c", "c"], "classification")
    assert TargetCoder(**json.loads(json.dumps(coder.to_json()))) == coder


@pytest.mark.parametrize(
    ("cells", "task", "message"),
    [
        (["", None], "classification", r"target 'y' has a value in none of 2 rows\. Check the column's name and task"),
        (["a", "NA", ""], "regression", r"target 'y' has a number in none of 3 rows"),
        (["2.5"] * 4, "regression", r"target 'y' is 2\.5 in every row; there is nothing to learn"),
        ([[], []], "multilabel", r"target 'y' has no label in any row"),
        (["a"] * 4, "classification", r"target 'y' has one class only \('a', 4 rows\); give rows of another class"),
        (["a", "b", "c", "a"], "classification", r"target 'y' has 3 classes in 4 rows\. If it is a number, set targets\.y\.task=regression"),
        (list(range(1001)) * 3, "classification", r"target 'y' has 1001 classes in 3003 rows"),
        (["a", "a", "a", "b", "b", "b", "c", "d"][::-1] * 1, "classification", r"target 'y': fewer than 2 rows of 2 classes \(c, d\)"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_target_that_cannot_be_learned_is_an_error(cells, task, message):
    with pytest.raises(DataError, match=message):
        fit_target("y", cells, task)
