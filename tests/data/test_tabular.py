import datetime
import json
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from sensorium.data.tabular import MOST_CATEGORIES, TabularReader, VectorReader, date_parts, vector
from sensorium.errors import DataError

RANDOM = np.random.default_rng(0)
KINDS = {"age": "numeric", "shop": "categorical", "paid": "boolean", "day": "date"}
ROWS = [
    ("31", "north", "yes", "2024-03-05"),
    ("", "south", "no", ""),
    ("1,200.5", "", "", "2023-12-31 18:30"),
    ("NA", " north ", "TRUE", "5 March 2020"),
    ("", "", "", ""),
]


def fitted(kinds=KINDS, rows=ROWS):
    reader = TabularReader(kinds)
    reader.fit(rows)
    return reader


@pytest.fixture
def column(read):
    """What the cells of one column become: values and mask, (N, features)."""

    def column(kind, cells, asked=None):
        return read(fitted({"x": kind}, [(cell,) for cell in cells]), cells if asked is None else asked)[:2]

    return column


def test_numbers_are_standardised_as_scikit_learn_does(read):
    numbers = RANDOM.normal(40, 7, size=(50, 3)) * [1, 1e-6, 1e6]
    numbers[RANDOM.random((50, 3)) < 0.2] = np.nan
    reader = fitted({"a": "numeric", "b": "numeric", "c": "numeric"}, numbers)
    values, mask, _ = read(reader, numbers)
    wanted = StandardScaler().fit_transform(numbers)
    np.testing.assert_array_equal(mask, ~np.isnan(numbers))
    np.testing.assert_allclose(values, np.nan_to_num(wanted), rtol=1e-5, atol=1e-6)
    assert values.dtype == np.float32


def test_a_constant_number_becomes_0_and_an_empty_column_stays_masked(column):
    np.testing.assert_array_equal(column("numeric", [3.5, "3.5", 3.5])[0], np.zeros((3, 1)))
    values, mask = column("numeric", ["NA", "", None])
    assert not mask.any()
    np.testing.assert_array_equal(values, np.zeros((3, 1)))


@pytest.mark.parametrize("asked", [["a", "c", "b"], ["zz", "", "A", "c"], [None]], ids=str)
def test_categories_are_coded_from_1_with_0_for_unknown(asked, column):
    cells = ["b", "a", "c", "b", None]
    values, mask = column("categorical", cells, asked)
    coder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit([["a"], ["b"], ["c"]])
    filled = [cell for cell in asked if cell]
    np.testing.assert_array_equal(mask[:, 0], [bool(cell) for cell in asked])
    if filled:
        np.testing.assert_array_equal(values[mask], coder.transform([[cell] for cell in filled])[:, 0] + 1)


def test_one_category_has_one_code_however_it_is_typed(column):
    values, _ = column("categorical", [3, 3.0, "3", " 3 ", np.int8(3), 4])
    assert values[:, 0].tolist() == [1, 1, 1, 1, 1, 2]
    values, _ = column("categorical", ["北京", " 北京", "上海"])
    assert values[0] == values[1] != values[2]


def test_the_rarest_of_very_many_categories_are_unknown(column):
    often = [f"often {i}" for i in range(MOST_CATEGORIES)]
    values, mask = column("categorical", [*often * 2, "rare"], ["rare", *often])
    assert values[0, 0] == 0
    assert mask.all()
    assert sorted(values[1:, 0]) == list(range(1, MOST_CATEGORIES + 1))


def test_booleans_agree_in_every_spelling(column):
    yes, no = ["yes", "Y", "true", True, 1, "1", 1.0, "是", "T"], ["no", "n", "False", False, 0, "0", 0.0, "否", "F"]
    values, mask = column("boolean", [*yes, *no, ""])
    assert set(values[:9, 0]) == {2}  # categories are sorted: false, true
    assert set(values[9:18, 0]) == {1}
    assert mask[:, 0].tolist() == [True] * 18 + [False]


@pytest.mark.parametrize(
    "cell",
    ["2024-03-05", "2024/3/5", "2024.03.05", "05.03.2024", "5.3.2024", "3/5/2024", "5 March 2024", "March 5, 2024",
     "2024年3月5日", " 2024-03-05 ", "20240305", 20240305, 20240305.0, np.int64(20240305), datetime.date(2024, 3, 5),
     datetime.datetime(2024, 3, 5), pd.Timestamp(2024, 3, 5), pd.Timestamp(2024, 3, 5, tz="Asia/Shanghai"),
     np.datetime64("2024-03-05"), "2024-03-05T00:00:00Z"],
    ids=repr,
)  # fmt: skip
def test_one_day_in_every_spelling(cell):
    turns = (64 / 365.25, 1 / 7, 0.0)  # 31 + 29 + 4 days into 2024; a Tuesday
    wanted = [24 + turns[0], *(f(2 * math.pi * turn) for turn in turns for f in (math.sin, math.cos))]
    np.testing.assert_allclose(date_parts(cell), wanted, rtol=1e-12)


@pytest.mark.parametrize("cell", ["2024年3月5日 18:30", "5.3.2024 18:30", "2024-03-05T18:30:00+08:00"])
def test_the_hour_is_as_it_is_written(cell):
    np.testing.assert_allclose(date_parts(cell)[5:], [math.sin(2 * math.pi * 18.5 / 24), math.cos(2 * math.pi * 18.5 / 24)])  # fmt: skip


@pytest.mark.parametrize(
    "cell",
    ["2024-02-30", "31.02.2024", "soon", "now", "today", "12:30", "", "5", 5, 2.5, [2024, 3], datetime.time(3), pd.NaT, pd.Timedelta(1, "D")],
    ids=repr,
)  # fmt: skip
def test_what_is_no_date_gives_none(cell):
    assert date_parts(cell) is None


def test_one_cell_says_whether_the_columns_days_come_first(read):
    def first(cells):
        reader = fitted({"day": "date"}, [(cell,) for cell in cells])
        again = TabularReader.restore(json.loads(json.dumps(reader.state())))
        values = read(again, cells[:1])[0] * reader.scale + reader.mean
        return values[0, 0] - 24

    assert first(["3/4/2024", "12/25/2024"]) == pytest.approx(63 / 365.25, abs=1e-4)  # 4 March
    assert first(["3/4/2024", "25/12/2024"]) == pytest.approx(93 / 365.25, abs=1e-4)  # 3 April


def test_features_come_numeric_first_then_codes(read):
    reader = fitted()
    assert reader.columns == ("age", "shop", "paid", "day")
    assert reader.numeric == 1 + 7
    assert reader.sizes == (2, 2)
    values, mask, notes = read(reader, ROWS)
    assert notes == []
    assert not mask[4].any()
    assert values.shape == mask.shape == (5, 10)
    np.testing.assert_array_equal(mask[:, 0], [True, False, True, False, False])
    np.testing.assert_array_equal(mask[:, 1], [True, False, True, True, False])
    np.testing.assert_array_equal(mask[:, 8:], [[True, True], [True, True], [False, False], [True, True], [False, False]])  # fmt: skip
    np.testing.assert_allclose(values[[0, 2], 0], [-1, 1], rtol=1e-6)  # two numbers, standardised
    assert values[[0, 1, 3], 8].tolist() == [1, 2, 1]
    assert not values[~mask].any()


def test_a_row_alone_is_the_row_in_a_batch_and_after_restoring(read):
    reader = fitted()
    again = TabularReader.restore(json.loads(json.dumps(reader.state())))
    together = read(reader, ROWS)
    for row, cells in enumerate(ROWS):
        for one in (reader, again):
            values, mask, _ = read(one, [cells])
            np.testing.assert_array_equal(values[0], together[0][row])
            np.testing.assert_array_equal(mask[0], together[1][row])


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("[1, 2.5, -3e2]", [1, 2.5, -300]), ("1 2.5 -300", [1, 2.5, -300]), (" (1;2;3) ", [1, 2, 3]), ([1, 2], [1, 2]),
        ((1, 2), [1, 2]), (np.array([[1, 2], [3, 4]]), [1, 2, 3, 4]), (np.array([1.5], dtype=np.float16), [1.5]),
        ("[]", None), ("[a, b]", None), (["a"], None), ([1, None], None), ("[1, nan]", None), ([1, float("inf")], None),
        ([[1, 2], [3]], None),
    ],
    ids=str,
)  # fmt: skip
def test_a_vector_in_a_cell(cell, numbers):
    found = vector(cell)
    assert found is None if numbers is None else found.tolist() == numbers


def test_vectors_are_standardised_as_scikit_learn_does(read):
    rows = RANDOM.normal([1, -200, 3e4, 7], [1, 20, 1e3, 0], size=(30, 4)).astype(np.float32)
    reader = VectorReader("pose")
    reader.fit([(row,) for row in rows])
    assert reader.size == 4
    values, mask, _ = read(reader, rows)
    np.testing.assert_allclose(values, StandardScaler().fit_transform(rows.astype(np.float64)), rtol=1e-4, atol=1e-5)
    assert mask.tolist() == [True] * 30


def test_a_vector_that_does_not_fit_is_missing_and_noted(read):
    reader = VectorReader("pose")
    reader.fit([([1, 2, 3],), ([3, 2, 5],), ([1],), (None,), ("oops",)])
    cells = [[1, 2, 3], "[2, 2]", "oops", None, [1, 2, float("nan")]]
    values, mask, notes = read(reader, cells)
    assert mask.tolist() == [True, False, False, False, False]
    assert not values[1:].any()
    np.testing.assert_allclose(values[0], [-1, 0, -1])
    assert notes == [
        (2, "broken", "must be a vector of 3 numbers; got 2"),
        (3, "broken", "must be a vector of 3 numbers; got 'oops'"),
        (5, "broken", "must be a vector of 3 numbers; got [1, 2, nan]"),
    ]
    again = VectorReader.restore(json.loads(json.dumps(reader.state())))
    for row, cell in enumerate(cells):
        alone = read(again, [cell])
        np.testing.assert_array_equal(alone[0][0], values[row])
        assert alone[1][0] == mask[row]


def test_a_column_without_a_vector_is_an_error():
    with pytest.raises(DataError, match="column 'pose' holds a vector in none of 3 rows"):
        VectorReader("pose").fit([("",), ("oops",), (None,)])
