"""The rows that a run was made from, found again."""

import shutil

import pandas as pd
import pytest

import sensorium as sm
from sensorium.data.table import read_table
from sensorium.report.source import find_rows

CONFIG = {"inputs": {"note": {"modality": "text"}}, "training": {"epochs": 1, "wide": False, "probes": False}}


@pytest.fixture(scope="module")
def moved(table, tmp_path_factory):
    """A run, and a table of its own that it was learned from."""
    path = tmp_path_factory.mktemp("moved") / "rows.csv"
    shutil.copy(table, path)
    return sm.fit(path, "label", config=CONFIG), path


def test_both_sides_are_found_and_have_all_rows(moved):
    predictor, path = moved
    sides = [find_rows(predictor.run, side).table for side in ("train", "valid")]
    numbers = [[side.number(row) for row in range(len(side))] for side in sides]
    assert [len(side) for side in sides] == list(predictor.run["rows"].values())
    assert sorted(numbers[0] + numbers[1]) == list(range(1, 41))
    notes = list(read_table(path).cells("note"))
    assert list(sides[1].cells("note")) == [notes[number - 1] for number in numbers[1]]
    scores = predictor.evaluate(sides[1])["metrics"]  # the rows are those: their score is that of the fit
    assert scores["accuracy"] == predictor.metrics["targets"]["label"]["valid"]["accuracy"]


def test_a_file_that_is_gone_or_was_changed(moved, tmp_path):
    predictor, path = moved
    lines = []
    kept = path.read_bytes()
    path.write_bytes(kept + kept[kept.index(b"\n") + 1 :])
    assert find_rows(predictor.run, "valid", lines.append) == (None, "changed", "rows.csv")
    path.unlink()
    assert find_rows(predictor.run, "valid", lines.append) == (None, "gone", "rows.csv")
    path.write_bytes(kept)
    assert [str(path) in line for line in lines] == [True, True]


def test_rows_from_memory_are_not_known_afterwards(table):
    predictor = sm.fit(pd.read_csv(table), "label", config=CONFIG)
    assert predictor.run["data"] == {"train": None, "valid": None}
    assert find_rows(predictor.run, "valid") == (None, "unknown", "")
    assert find_rows({}, "valid") == (None, "unknown", "")  # of an older run
