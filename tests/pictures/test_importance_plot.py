"""The picture of importances: valid XML, bars as long as their shares, nothing that a name could break."""

import xml.etree.ElementTree as ET

import pytest

from sensorium.pictures.importance_plot import importance_plot

SVG = "{http://www.w3.org/2000/svg}"


def read(shares, **more):
    root = ET.fromstring(importance_plot(shares, "a title", **more))
    bars = [bar for bar in root.iter(f"{SVG}rect") if bar.get("class") == "bar"]
    return root, bars, [text.text for text in root.iter(f"{SVG}text")]


def test_bars_are_as_long_as_their_shares_the_longest_first():
    _, bars, texts = read({"width": 0.2, "rate": 0.5, "size": 0.3, "decay": 0.0}, note="of 9 scores")
    widths = [float(bar.get("width")) for bar in bars]
    assert [width / widths[0] for width in widths] == pytest.approx([1, 0.6, 0.4, 0], abs=0.001)
    assert texts == ["a title", "rate", "50%", "size", "30%", "width", "20%", "decay", "0%", "of 9 scores"]


def test_nothing_explains_anything():
    _, bars, texts = read({"width": 0.0})
    assert [float(bar.get("width")) for bar in bars] == [0]
    assert "0%" in texts


def test_names_are_escaped_and_long_ones_cut():
    name = "<script>&" + "x" * 80
    root, bars, texts = read({name: 1.0})
    assert f"{name[:41]}…" in texts
    assert bars[0].find(f"{SVG}title").text == f"{name}: 100%"
    assert float(root.get("width")) >= 700
