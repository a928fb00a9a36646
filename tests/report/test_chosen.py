"""Which rows are worth a look."""

import pandas as pd
import pytest

from sensorium.explain.overview import Overview
from sensorium.report.chosen import rows_of


def overview(answers, disagreements=(), tolerance=None, inputs=("a", "b", "c")):
    empty = pd.DataFrame()
    frame = pd.DataFrame(answers, columns=["row", "answer", "probability", "truth", "missing"])
    disagreements = pd.DataFrame({"row": list(disagreements)})
    importance = pd.DataFrame({"input": list(inputs)})
    return Overview("label", len(frame), True, importance, empty, frame, empty, disagreements, empty, None, tolerance)


def test_three_rows_of_each_kind_the_surest_first_and_no_row_twice():
    right = [[n, "x", 0.5 + n / 100, "x", []] for n in range(1, 11)]
    wrong = [[n, "x", 0.5 + n / 100, "y", []] for n in range(11, 21)]
    missing = [[21, "x", 0.4, "x", ["a"]], [22, "x", 0.4, "x", ["a", "b"]], [23, "x", 0.4, "x", ["a", "b", "c"]]]
    found = rows_of(overview([*right, *wrong, *missing], disagreements=[10, 3, 2, 1, 4]))
    assert list(found.items()) == [
        (10, "right"), (9, "right"), (8, "right"), (20, "wrong"), (19, "wrong"), (18, "wrong"),
        (3, "disagreement"), (2, "disagreement"), (1, "disagreement"), (22, "missing"), (21, "missing"),
    ]  # fmt: skip  # row 23 has nothing to look at


def test_sure_and_right_rows_are_of_different_classes():
    answers = [
        [1, "x", 0.99, "x", []],
        [2, "x", 0.98, "x", []],
        [3, "x", 0.97, "x", []],
        [4, "y", 0.6, "y", []],
        [5, "z", 0.5, "z", []],
    ]
    assert list(rows_of(overview(answers))) == [1, 4, 5]


def test_of_numbers_right_is_the_smallest_error_and_wrong_the_largest():
    answers = [[n, float(n), float("nan"), 0.0, []] for n in range(1, 9)]
    found = rows_of(overview(answers, tolerance=4.0))
    assert list(found.items()) == [(1, "right"), (2, "right"), (3, "right"), (8, "wrong"), (7, "wrong"), (6, "wrong")]


def test_rows_without_truth_are_neither_right_nor_wrong():
    answers = [[1, "x", 0.9, None, ["a"]], [2, "x", 0.9, None, []]]
    assert rows_of(overview(answers, disagreements=[2])) == {2: "disagreement", 1: "missing"}


@pytest.mark.parametrize("tolerance", [None, 1.0])
def test_no_rows_at_all(tolerance):
    assert rows_of(overview([[1, 0.0, 0.5, None, []]], tolerance=tolerance)) == {}
