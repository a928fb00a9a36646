import datetime

import numpy as np
import pandas as pd
import pytest

from sensorium.data.duplicates import SharedFiles
from sensorium.data.groups import row_groups, row_times
from sensorium.data.table import read_table
from sensorium.errors import DataError


def together(groups):
    """The rows of each group, those on their own left out."""
    return sorted(np.flatnonzero(groups == g).tolist() for g in set(groups.tolist()) if (groups == g).sum() > 1)


def files(*pairs):
    return SharedFiles(*np.array(pairs).reshape(-1, 2).T)


def test_rows_of_one_value_are_a_group_and_so_are_those_without():
    table = read_table({"patient": ["a", "b ", "", 3, "a", "b", None, 3.0]})
    groups, warnings = row_groups(table, "patient", None)
    assert together(groups) == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert warnings == []


def test_rows_that_share_a_file_are_a_group_also_by_way_of_others():
    table = read_table({"patient": list("abcdefghij")})
    groups, warnings = row_groups(table, None, files((0, 5), (2, 5), (2, 8), (4, 8), (6, 9), (7, 1), (7, 1)))
    assert together(groups) == [[0, 2, 4]]
    assert warnings == []
    table = read_table({"patient": list("aacdefghhj")})
    groups, _ = row_groups(table, "patient", files((1, 5), (4, 5), (4, 6), (7, 6)))
    assert together(groups) == [[0, 1, 4, 7, 8]]


def test_without_a_file_in_two_rows_there_are_no_groups():
    table = read_table({"patient": list("abcd")})
    assert row_groups(table, None, None) == (None, [])
    assert row_groups(table, None, files((0, 1), (1, 2), (3, 3))) == (None, [])


def test_a_file_in_many_rows_is_a_placeholder_and_that_is_said():
    table = read_table({"patient": list("abcdefghij")})
    placeholder = [(row, 0) for row in range(3)]
    groups, (warning,) = row_groups(table, None, files(*placeholder, (1, 4), (8, 4)))
    assert together(groups) == [[1, 8]]
    assert warning.startswith(
        "1 media file is in more than a quarter of the rows and may be on both sides of the split"
    )
    groups, (warning,) = row_groups(table, None, files(*placeholder, *((9 - row, 1) for row in range(3))))
    assert groups is None
    assert warning.startswith("2 media files are in more than a quarter of the rows")


def test_of_few_rows_two_with_a_file_are_a_group():
    assert together(row_groups(read_table({"patient": list("abcd")}), None, files((0, 5), (3, 5)))[0]) == [[0, 3]]


def test_files_that_join_most_rows_are_left_out_of_account_and_that_is_said():
    table = read_table({"patient": list("aabcdefghi")})
    chain = files(*[pair for row in range(7) for pair in ((row, row), (row + 1, row))])
    groups, (warning,) = row_groups(table, None, chain)
    assert groups is None
    assert warning.startswith("media files that rows share join 8 of 10 rows into one group; rows are split as if")
    groups, (warning,) = row_groups(table, "patient", chain)
    assert together(groups) == [[0, 1]]
    assert "Split by a column (split.by), or give --valid." in warning


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["3", "1,5", "2.5", "-7"], [3, 1, 2, 0]),
        ([2024, 1999, 2001.5, 2030], [1, 2, 0, 3]),
        (["2024-03-05", "2023-12-31 23:59", "2024-03-05T08:30:00", "2023/12/31"], [3, 1, 0, 2]),
        (["2/3/2024", "25/2/2024", "1/3/2024", "3/1/2024"], [3, 1, 2, 0]),  # 25 is no month: the day comes first
        (["March 5, 2024", "4 Mar 2024", "2024年3月6日", "2024-03-03"], [3, 1, 0, 2]),
        ([datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 1, 5), datetime.date(2023, 1, 1), datetime.date(2025, 1, 1)],
         [2, 1, 0, 3]),
        (pd.to_datetime(["2024-01-02", "2024-01-01", "2024-01-04", "2024-01-03"]), [1, 0, 3, 2]),
    ],
)  # fmt: skip
def test_times_are_ordered(cells, order):
    times = row_times(
        read_table({"day": cells if isinstance(cells, pd.Index) else pd.Series(cells, dtype=object)}), "day"
    )
    assert np.argsort(times).tolist() == order


def test_an_empty_cell_has_no_time():
    times = row_times(read_table({"day": ["2024-01-01", "", "2024-01-02"]}), "day")
    assert np.isnan(times).tolist() == [False, True, False]
    assert times[2] - times[0] == 86400


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["", " "], r"^split.time: column 'day' of the table is empty in all 2 rows.$"),
        (
            ["2024-01-01", "soon"],
            r"^the table row 2, column 'day': split.time needs a date or a number; got 'soon'. Mend",
        ),
    ],
)
def test_what_is_no_time_is_said(cells, message):
    with pytest.raises(DataError, match=message):
        row_times(read_table({"day": cells}), "day")
