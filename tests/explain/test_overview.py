"""What all rows of a table told, as a page and as plain data."""

import dataclasses
import json

import pytest
from games import game

from sensorium.evaluation.calibration import Calibration
from sensorium.explain.survey import survey


def seen(function, table, task="binary"):
    model, rows, coder = game(function, table, task)
    return survey(model, rows, coder, Calibration(), 32)


def total(z):
    return sum(z.values())


def test_a_page_and_plain_data():
    bad = "<b>bold</b>"
    found = seen(total, {bad: [2.0, -1.0, 0.2], "b": [-1.0, 0.5, None], "label": ["yes", "no", "yes"]})
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["importance"][0]["input"] == bad
    assert plain["disagreements"][0]["says"] == {bad: "yes", "b": "no"}
    page = dataclasses.replace(found, target=bad).page()  # in the title and in the heading, too
    assert bad not in page
    assert page.count("&lt;b&gt;bold&lt;/b&gt;") >= 4
    assert found._repr_html_().startswith("<style>")
    assert "各输入指向不同回答的行" in found.html("zh")


def test_an_input_may_be_called_as_a_column_of_ours():
    found = seen(total, {"answer": [2.0, -1.0], "row": [1.0, 1.5], "label": ["yes", "no"]})
    assert found.answers["answer"].tolist() == ["yes", "yes"]
    assert found.answers["adds_answer"].tolist() == pytest.approx([2.0, -1.0])
    assert [one["adds_row"] for one in found.to_json()["answers"]] == pytest.approx([1.0, 1.5])


def test_long_lists_are_cut_in_the_page_alone():
    found = seen(total, {"a": [2.0] * 15, "b": [-1.0] * 15})
    assert len(found.alone) == len(found.to_json()["alone"]) == 15
    assert "Rows that rest on one input (15)" in found.html()
    assert "and 5 more" in found.html()
