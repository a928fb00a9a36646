"""The picture of a comparison: valid XML, points where the scores say, nothing that a name could break."""

import xml.etree.ElementTree as ET

import pytest

from sensorium.pictures.comparison_plot import comparison_plot

SVG = "{http://www.w3.org/2000/svg}"


def row(score, generation="classical", model="naive_bayes", inputs="note", fusion="", standing=""):
    ends = {"low": score - 0.1, "high": score + 0.05}
    return {
        "generation": generation, "model": model, "inputs": inputs, "fusion": fusion, "score": score, **ends,
        "standing": standing,
    }  # fmt: skip


def read(rows, **more):
    root = ET.fromstring(comparison_plot(rows, "a title", **more))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    return root, texts


def test_points_and_intervals_are_on_one_scale():
    scores = [0.9, 0.6, 0.45]
    root, texts = read([row(s, standing="best" if s == 0.9 else "") for s in scores])
    circles = list(root.iter(f"{SVG}circle"))
    xs = [float(circle.get("cx")) for circle in circles]
    per = (xs[0] - xs[1]) / 0.3
    assert (xs[1] - xs[2]) / 0.15 == pytest.approx(per, rel=0.01)
    lines = [line for line in root.iter(f"{SVG}line") if line.get("stroke-width")]
    for x, line in zip(xs, lines, strict=True):
        assert x - float(line.get("x1")) == pytest.approx(0.1 * per, abs=0.2)
        assert float(line.get("x2")) - x == pytest.approx(0.05 * per, abs=0.2)
    ticks = [float(text) for text in texts if text.replace(".", "").isdigit() and len(text) < 4]
    assert min(ticks) <= 0.35 <= 0.95 <= max(ticks)
    assert [circle.get("fill") == "white" for circle in circles] == [False, True, True]
    assert texts.count("note: naive bayes") == 3


def test_groups_and_what_has_no_score():
    rows = [
        row(0.7, "transformer", "vit + transformer", "photo + note", "gated"),
        row(0.6),
        {"generation": "cnn_rnn", "model": "cnn", "inputs": "photo", "fusion": "", "note": "no time was left"},
    ]
    _, texts = read(rows, majority=0.5)
    assert texts.index("classical") < texts.index("note: naive bayes") < texts.index("Transformer")
    assert "photo + note: gated" in texts
    assert "CNN and RNN" not in texts
    assert "always the same answer" in texts


def test_names_are_escaped_and_long_ones_cut():
    name = "<script>&" + "x" * 80
    root, texts = read([row(0.5, inputs=name)])
    assert f"{name[:31]}…: naive bayes" in texts
    assert name in root.find(f".//{SVG}title").text


def test_values_below_nothing_and_all_alike():
    _, texts = read([row(-1.5), row(-0.2)])
    assert "-1.500" in texts
    flat = {**row(1.0), "low": 1.0, "high": 1.0}
    root, _ = read([flat])
    assert len(list(root.iter(f"{SVG}circle"))) == 1
    assert ET.fromstring(comparison_plot([], "nothing"))
