"""sensorium export"""

import json

import pytest

pytest.importorskip("onnxscript", reason="the extra sensorium[onnx] is not installed")

import sensorium as sm
from sensorium.runtime import load

CONFIG = {
    "inputs": {"note": {"modality": "text", "encoder": {"type": "bag"}}, "columns": {"columns": ["age", "shop"]}},
    "fusion": {"type": "concat", "width": 16},
    "training": {"epochs": 1, "wide": False, "probes": False},
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exporting") / "run"
    sm.fit(table, "label", config=CONFIG, out=folder)
    return folder


def test_it_writes_a_graph_into_the_run_and_measures_it(sensorium, small, table):
    code, out, err = sensorium("export", small, "--to", "onnx", "--json")
    assert code == 0
    assert f"written to {small / 'onnx'}." in err
    found = json.loads(out)
    assert found == json.loads((small / "onnx" / "report.json").read_text())
    assert found["rows"] == 6  # those that the run was validated with
    assert found["difference"] < 1e-4
    assert found["scores"]["label"]["onnx"] == found["scores"]["label"]["torch"]
    assert set(found["latency"]) == {"1", "32"}
    assert load(small / "onnx").classes == ["no", "yes"]
    code, out, err = sensorium("export", small)
    assert code == 2
    assert "already holds an exported model" in err


def test_int8_is_shown_beside_the_run(sensorium, small, table, tmp_path):
    code, out, _ = sensorium("export", small, "--quantize", "int8", "--rows", table, "-o", tmp_path / "small")
    assert code == 0
    assert "32 rows, ms" in out
    assert "label: accuracy" in out
    assert "Of 40 rows; no output differs by more than" in out
    assert json.loads((tmp_path / "small" / "model.json").read_text())["graph"]["precision"] == "int8"


def test_another_format_is_refused(sensorium, small):
    code, _, err = sensorium("export", small, "--to", "onyx")
    assert code == 2
    assert "unknown format 'onyx'. Did you mean 'onnx'? There are: onnx." in err
