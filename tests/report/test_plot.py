"""Figures as data for plotly."""

import builtins
import json
import re

import numpy as np
import pytest

from sensorium.errors import ConfigError
from sensorium.report.plot import named_axis, plot, plotly_script, shorter

EVIL = "</script><b>x</b>"


def told(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def test_a_name_can_neither_end_the_script_nor_be_a_tag_of_plotlys():
    html = plot([{"x": [1], "text": [EVIL], "name": EVIL, "hovertemplate": "%{x}<br>"}], EVIL, title={"text": EVIL})
    assert html.count("</script>") == 1
    assert "<b>" not in html
    figure = told(html)
    assert figure["data"][0]["text"] == ["&lt;/script&gt;&lt;b&gt;x&lt;/b&gt;"]  # plotly shows it as it was
    assert figure["data"][0]["hovertemplate"] == "%{x}<br>"
    assert figure["layout"] == {"title": {"text": "&lt;/script&gt;&lt;b&gt;x&lt;/b&gt;"}}


def test_numbers_are_as_json_has_them():
    values = [float("nan"), np.float32(0.5), np.int64(3), np.array([[1.0, np.inf]]), True, None]
    assert told(plot([{"x": values}], ""))["data"][0]["x"] == [None, 0.5, 3, [[1.0, None]], True, None]


def test_names_that_look_alike_when_cut_are_two_places():
    names = ["a" * 40 + "1", "a" * 40 + "2"]
    axis = named_axis(names, autorange="reversed")
    assert axis["tickvals"] == [0, 1]
    assert axis["ticktext"] == [shorter(name) for name in names]
    assert len(axis["ticktext"][0]) == 24


def test_a_name_of_several_lines_is_one():
    assert shorter("a\nb\t c") == "a b c"


def test_without_plotly_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("plotly"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ConfigError, match=r"a report needs plotly. Install it with: pip install 'sensorium\[report\]'"
    ):
        plotly_script()


def test_plotly_is_small_enough_for_a_page():
    assert 1e6 < len(plotly_script()) < 6e6
