from concurrent.futures import ThreadPoolExecutor

import pytest

from sensorium.data.problems import Problems
from sensorium.errors import DataError


def test_problems_are_listed_once_by_table_row_and_column():
    problems = Problems()
    found = [
        ("valid.csv", 1, "photo", "broken", "no such file"),
        ("train.csv", 10, "note", "cut", "the text has 9 tokens, more than 4"),
        ("train.csv", 10, "call", "broken", "no such file"),
        ("train.csv", 9, "label", "no target", "the target is empty"),
    ]
    for problem in [*found, *found]:
        problems.add(*problem)
    frame = problems.frame()
    assert list(frame.columns) == ["table", "row", "column", "kind", "reason"]
    assert [tuple(row) for row in frame.to_numpy()] == [found[3], found[2], found[1], found[0]]


def test_no_problems_are_an_empty_table_and_no_lines():
    assert list(Problems().frame().columns) == ["table", "row", "column", "kind", "reason"]
    assert len(Problems().frame()) == 0
    assert Problems().lines() == []


def test_a_line_for_people_counts_rows_and_names_the_first():
    problems = Problems()
    for row in (12, 3, 7):
        problems.add("t.csv", row, "photo", "broken", f"cannot read {row}.jpg as image: no such file")
    problems.add("t.csv", 3, "photo", "broken", "a second file of the row")
    problems.add("t.csv", 5, "note", "cut", "the text has 9 tokens, more than 4")
    problems.add("t.csv", 8, "label", "no target", "the target is empty")
    assert problems.lines() == [
        "column 'label': 1 row left out, the first in row 8: the target is empty.",
        "column 'note': 1 row cut short, the first in row 5: the text has 9 tokens, more than 4.",
        "column 'photo': 3 rows without it, as missing, the first in row 3: a second file of the row.",
    ]


def test_strict_makes_a_broken_input_an_error_and_nothing_else():
    problems = Problems(strict=True)
    problems.add("t.csv", 3, "note", "cut", "too long")
    problems.add("t.csv", 4, "label", "no target", "the target is empty")
    with pytest.raises(
        DataError, match=r"t\.csv row 5, column 'photo': cannot read a\.jpg\. Mend it, or leave out strict"
    ):
        problems.add("t.csv", 5, "photo", "broken", "cannot read a.jpg")
    assert list(problems.frame()["row"]) == [3, 4]


def test_threads_lose_nothing():
    problems = Problems()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: problems.add("t.csv", row % 500, "photo", "broken", "gone"), range(2000)))
    assert len(problems.frame()) == 500
