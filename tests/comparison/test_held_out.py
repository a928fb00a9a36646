"""The rows that a comparison answers: by the rules of a fit, and never ones that were learned from."""

import numpy as np
import pytest

from sensorium.comparison.held_out import hold_out
from sensorium.data.table import read_table
from sensorium.errors import DataError
from sensorium.planning import plan

ROWS = 60


def cells(**more):
    random = np.random.default_rng(0)
    kinds = ["no"] * 40 + ["yes"] * 20
    return {"x": random.normal(size=ROWS), "who": np.arange(ROWS) // 5 % 9, "day": np.arange(ROWS) * 1.0,
            "label": kinds} | more  # fmt: skip


def parts_of(raw=None, test=None, target="label", **split):
    table = read_table(raw or cells())
    config, _ = plan(table, target, {"split": split})
    warnings = []
    parts, coder = hold_out(table, None if test is None else read_table(test), config, warnings)
    return parts, coder, warnings


def numbers(table):
    return [table.number(row) for row in range(len(table))]


def test_a_fifth_is_held_out_with_every_class():
    (part,), coder, warnings = parts_of()
    assert warnings == []
    assert sorted(numbers(part.train) + numbers(part.held)) == list(range(1, ROWS + 1))
    assert list(part.held.cells("label")).count("yes") == 4
    assert list(part.held.cells("label")).count("no") == 8
    assert coder.counts == [40, 20]


def test_groups_and_times_hold_as_in_a_fit():
    (part,), _, _ = parts_of(by="who")
    assert not set(part.train.cells("who")) & set(part.held.cells("who"))
    raw = cells(label=["no", "yes"] * (ROWS // 2))
    (part,), _, _ = parts_of(raw, time="day")
    assert max(part.train.cells("day")) < min(part.held.cells("day"))
    assert len(part.held) == ROWS // 5


def test_folds_answer_every_row_once():
    parts, _, _ = parts_of(folds=4)
    assert sorted(n for part in parts for n in numbers(part.held)) == list(range(1, ROWS + 1))
    for part in parts:
        assert not set(numbers(part.train)) & set(numbers(part.held))
        assert len(part.train) + len(part.held) == ROWS
        assert list(part.held.cells("label")).count("yes") == 5


def test_rows_to_test_with_are_all_answered_but_those_of_no_known_class():
    test = {"x": [1.0, 2.0, 3.0, 4.0], "label": ["yes", "maybe", "", "no"]}
    (part,), _, warnings = parts_of(test=test)
    assert len(part.train) == ROWS
    assert numbers(part.held) == [1, 4]
    assert warnings == ["classes that no row to learn from has are left out: maybe."]
    with pytest.raises(DataError, match="the table has no row with a known value of 'label'"):
        parts_of(test={"x": [1.0], "label": ["maybe"]})
    with pytest.raises(DataError, match=r"the table has no column 'label'\. Did you mean 'Label'"):
        parts_of(test={"x": [1.0], "Label": ["yes"]})


def test_rows_without_the_target_are_neither_learned_nor_answered():
    raw = cells()
    raw["label"][7] = ""
    parts, _, _ = parts_of(raw, folds=3)
    assert all(8 not in numbers(table) for part in parts for table in part)


def test_a_class_too_rare_to_be_learned_is_left_out_and_said():
    raw = cells()
    raw["label"][0] = raw["label"][1] = "rare"
    (part,), coder, warnings = parts_of(raw)
    assert coder.classes == ["no", "rare", "yes"]
    assert "rare" not in [*part.train.cells("label"), *part.held.cells("label")]
    assert warnings == ["too few rows are left to learn the classes 'rare' from; their rows are left out."]
