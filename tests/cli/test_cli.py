"""Every command, as a user types it."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import yaml


def sensorium(*words):
    """Run a command; returns exit code, stdout, stderr."""
    code = "import sys; from sensorium.cli import main; sys.argv[0] = 'sensorium'; main()"
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_help_loads_neither_torch_nor_the_rest():
    code = """
import sys
from sensorium.cli import app
try:
    app(["--help"])
except SystemExit as end:
    heavy = {"torch", "lightning", "pandas", "numpy", "sklearn", "av"} & set(sys.modules)
    print("code", end.code, "heavy", sorted(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("code 0 heavy []")
    for command in ("inspect", "init", "check", "fit", "evaluate", "predict", "summary", "diagram", "example"):
        assert f"  {command}" in done.stdout
        assert "Example: sensorium " + command in sensorium(command, "--help")[1]


def test_fit_evaluate_predict_as_spelt(table, config, tmp_path):
    path, run = tmp_path / "config.yaml", tmp_path / "run"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(config))))
    code, out, err = sensorium(
        "fit", table, "--target", "label", "--out", run, "--valid", table, "--config", path, "--set", "fusion.width=16",
        "--epochs", 1, "--seed", 3, "--time-limit", 120, "--ignore", "price", "--ignore", "tags", "--as", "note=text",
        "--resume", "--json",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads(out)
    assert found["run"] == str(run)
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert (written["fusion"]["width"], written["training"]["epochs"], written["training"]["seed"]) == (16, 1, 3)

    code, out, _ = sensorium("evaluate", run, table, "--json")
    assert code == 0
    for score in json.loads(out)["metrics"].values():
        assert score["low"] <= score["value"] <= score["high"]

    answers = tmp_path / "answers.csv"
    assert sensorium("predict", run, table, "-o", answers)[0] == 0
    rows = pd.read_csv(answers)
    assert list(rows.columns) == ["label", "label_no", "label_yes"]
    assert len(rows) == 40
    assert (rows["label"] == rows[["label_no", "label_yes"]].idxmax(axis=1).str.removeprefix("label_")).all()
    before = (run / "run.json").read_bytes()
    assert sensorium("fit", table, "--target", "label", "--out", run)[0] == 2
    assert (run / "run.json").read_bytes() == before


def test_inspect_init_and_check(table, tmp_path):
    code, out, _ = sensorium("inspect", table, "--target", "label", "--json")
    assert code == 0
    kinds = {column["name"]: column["modality"] for column in json.loads(out)["columns"]}
    assert kinds == {
        "photo": "image", "call": "audio", "clip": "video", "note": "text", "pose": "vector", "age": "numeric",
        "shop": "categorical", "label": "boolean", "price": "numeric", "tags": "categorical",
    }  # fmt: skip
    assert "the table" not in out
    assert "photo" in sensorium("inspect", table)[1]
    path = tmp_path / "config.yaml"
    assert sensorium("init", table, "--target", "label", "--ignore", "clip", "-o", path)[0] == 0
    assert set(yaml.safe_load(path.read_text())) == {"inputs", "fusion", "targets", "training", "limits"}
    code, out, err = sensorium("check", table, "--config", path, "--json")
    assert code == 0, err
    assert json.loads(out)["batch"] == 8


def test_summary_and_diagram(run):
    code, out, _ = sensorium("summary", run, "--json")
    assert code == 0
    assert json.loads(out)
    assert sensorium("diagram", run)[1].startswith("graph LR")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "TABLE", "--target", "lable", "--out", "r"], "has no column 'lable' to be the target. Did you mean 'label'?"),
        (["fit", "gone.csv", "--target", "x", "--out", "r"], "cannot read gone.csv: there is no such file"),
        (["inspect", "TABLE", "--as", "photo=imgae"], "unknown modality 'imgae'. Did you mean 'image'?"),
        (["inspect", "TABLE", "--as", "photo"], "--as must be COLUMN=MODALITY"),
        (["check", "TABLE", "--target", "label", "--set", "fusion.type=gatd"], "unknown fusion 'gatd'. Did you mean 'gated'?"),
        (["evaluate", "nowhere", "TABLE"], "cannot load nowhere: there is no such folder"),
        (["example", "dmo"], "unknown example 'dmo'. Did you mean 'demo'?"),
    ],
)  # fmt: skip
def test_mistakes_exit_with_2_and_a_message(table, words, message):
    code, out, err = sensorium(*[table if word == "TABLE" else word for word in words])
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
