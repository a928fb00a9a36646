"""sensorium report"""

import pandas as pd
import pytest

import sensorium as sm

CONFIG = {
    "inputs": {"note": {"modality": "text"}, "columns": {"columns": ["age"]}},
    "training": {"epochs": 1, "wide": False, "probes": False},
}


@pytest.fixture(scope="module")
def small(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reported") / "small run"
    sm.fit(table, "label", config=CONFIG, out=folder)
    return folder


def test_it_writes_into_the_run(sensorium, small):
    code, out, err = sensorium("report", small)
    assert (code, out) == (0, "")
    assert "scoring 6 rows" in err
    assert f"written to {small / 'report.html'}." in err
    html = (small / "report.html").read_text()
    assert html.startswith("<!doctype html>")
    assert "<h1>Report on small run</h1>" in html


def test_rows_and_language_and_file_may_be_given(sensorium, small, table, tmp_path):
    pd.read_csv(table).head(10).to_csv(table.parent / "ten.csv", index=False)
    path = tmp_path / "page.html"
    code, out, _ = sensorium("report", small, table.parent / "ten.csv", "--language", "zh", "-o", path, "--json")
    assert code == 0
    assert out == '{\n "report": "' + str(path) + '"\n}\n'
    assert "ten.csv 的 10 行" in path.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "page.pdf"], "-o must be an .html file; got page.pdf."),
        (["--language", "fr"], "unknown language 'fr'. There are: en, zh."),
    ],
)
def test_mistakes_are_told(sensorium, small, words, message):
    code, _, err = sensorium("report", small, *words)
    assert code == 2
    assert message in err
