"""sensorium explain"""

import json
import re

import pytest

import sensorium as sm


def test_rows_as_spelt(sensorium, run, table):
    code, out, _ = sensorium("explain", run, table, "--rows", "3,1", "--no-parts")
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("row ")] == [
        one.headline() for one in sm.load(run).explain(table, [3, 1], parts=False)
    ]
    assert re.search(r"photo +\+0\.000 +\(missing\)", out)  # of row 1
    assert "adds together" in out


def test_rows_as_plain_data(sensorium, run, table, tmp_path):
    code, out, _ = sensorium("explain", run, table, "--rows", "2-3", "--class", "no", "--no-parts", "--json")
    assert code == 0
    found = json.loads(out)
    assert [one["row"] for one in found] == [2, 3]
    assert {one["explained"] for one in found} == {"no"}
    for one in found:
        assert sum(one["values"].values()) == pytest.approx(one["output"] - one["base"], abs=1e-6)
    written = tmp_path / "why.json"
    words = ("--rows", "2-3", "--class", "no", "--no-parts", "-o", written)
    code, _, err = sensorium("explain", run, table, *words)
    assert code == 0
    assert f"written to {written}." in err
    assert json.loads(written.read_text())[0]["values"] == pytest.approx(found[0]["values"])


def test_all_rows_together(sensorium, run, table, tmp_path):
    page = tmp_path / "why.html"
    code, out, _ = sensorium("explain", run, table, "-o", page)
    assert code == 0
    assert "takes from the loss" in out
    assert "40 of 40 rows of target label." in out
    assert re.search(r"\d+ rows rest on one input", out)
    assert page.read_text().startswith("<!doctype html>")
    sensorium("explain", run, table, "-o", page, "--language", "zh")
    assert "标签可能有误的行" in page.read_text()
    code, out, _ = sensorium("explain", run, table, "--json")
    assert [one["input"] for one in json.loads(out)["importance"]] == list(sm.load(run).readers)


def test_a_page_of_rows_with_what_is_inside_their_inputs(sensorium, run, table, tmp_path):
    page = tmp_path / "why.html"
    code, out, _ = sensorium("explain", run, table, "--rows", "3", "-o", page)
    assert code == 0
    text = page.read_text()
    for kind in ("image", "audio", "video", "text", "vector", "tabular"):
        assert f"sxp-{kind}" in text.partition("</style>")[2]
    assert not re.search(r"\ssrc=[\"'](?!data:)", text)
    assert re.search(r"note: .*(bright|fine|day) [+-]\d", out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rows", "0"], "table.csv has no row 0; its 40 rows are 1 to 40."),
        (["--rows", "3,50-60"], "table.csv has no row 50; its 40 rows are 1 to 40."),
        (["--rows", "three"], "--rows must be numbers and ranges of rows, such as 3,7 or 10-20; got 'three'."),
        (["--rows", "9" * 5000], f"--rows must be numbers and ranges of rows, such as 3,7 or 10-20; got '{'9' * 40}'."),
        (
            ["--rows", "1-999999999"],
            "--rows must name 1,000 rows at most; got '1-999999999'. Leave it out for all together.",
        ),
        (["--rows", "7-3"], "--rows must be numbers and ranges of rows, such as 3,7 or 10-20; got '7-3'."),
        (["--rows", "1", "--class", "maybe"], "target 'label' has no class 'maybe'. There are: no, yes."),
        (["--rows", "1", "--target", "lable"], "unknown target 'lable'. Did you mean 'label'? There are: label."),
        (["--class", "yes"], "--class is for single rows; give them with --rows, such as --rows 3,7."),
        (["--rows", "1", "-o", "why.txt"], "-o must be a .html or a .json file; got why.txt."),
        (
            ["--out-of-fold"],
            "this run has no out-of-fold answers. Fit one with --folds, or give rows new to the model.",
        ),
    ],
)
def test_mistakes(sensorium, run, table, words, message):
    code, out, err = sensorium("explain", run, table, *words)
    assert code == 2
    assert out == ""
    assert err.strip().splitlines()[-1] == f"error: {message}"
