"""Which rows classical models learn from."""

import numpy as np
import pytest

from sensorium.baselines.rows import known_rows
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.targets import fit_target


def rows_of(cells, task):
    table = read_table({"label": cells})
    coder = fit_target("label", table.cells("label"), task)
    return Rows(table, {}, {"label": coder}), coder


def test_all_rows_with_the_target_where_they_are_few():
    rows, coder = rows_of(["a", None, "b", "a", "", "b"], "classification")
    assert known_rows(rows, coder).tolist() == [0, 2, 3, 5]
    assert known_rows(rows, coder, 4).tolist() == [0, 2, 3, 5]


@pytest.mark.parametrize("first", [0, 50, 118])  # the draw may meet one of the rare rows, but not at all three places
def test_of_many_some_are_drawn_with_every_class_among_them(first):
    rows, coder = rows_of(np.where(np.arange(120) // 2 == first // 2, "rare", "usual").tolist(), "classification")
    found = known_rows(rows, coder, 10)
    assert 10 <= len(found) <= 12
    assert found.tolist() == sorted(set(found.tolist()))
    assert set(rows.targets["label"][0][found]) == {0, 1}
    assert known_rows(rows, coder, 10).tolist() == found.tolist()


def test_numbers_and_labels_are_drawn_evenly():
    for cells, task in ((np.arange(1000.0).tolist(), "regression"), (["x|y", "x"] * 500, "multilabel")):
        rows, coder = rows_of(cells, task)
        found = known_rows(rows, coder, 400)
        assert len(set(found.tolist())) == len(found) == 400
        assert np.abs(np.histogram(found, 4, (0, 1000))[0] - 100).max() < 30  # five deviations


def test_rows_without_the_target_are_never_drawn():
    rows, coder = rows_of([f"c{i % 3}" if i % 2 else None for i in range(200)], "classification")
    found = known_rows(rows, coder, 20)
    assert (found % 2 == 1).all()
    assert len(found) >= 20
