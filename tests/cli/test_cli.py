"""Every command, as a user types it."""

import json
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
import yaml

from sensorium.cli import main
from sensorium.evaluation.alone import compare_alone


@pytest.fixture
def sensorium(capsys, monkeypatch):
    """Runs a command in this process; returns exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # Typer puts its own there; this puts the old one back

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["sensorium", *map(str, words)])
        with pytest.raises(SystemExit) as end:  # any other exception would be a traceback
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return end.value.code, out, err

    return run


def test_help_loads_neither_torch_nor_the_rest(sensorium):
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


def test_fit_evaluate_predict_as_spelt(sensorium, table, config, tmp_path):
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


def test_inspect_init_and_check(sensorium, table, tmp_path):
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


def test_summary_and_diagram(sensorium, run):
    code, out, _ = sensorium("summary", run, "--json")
    assert code == 0
    assert json.loads(out)
    assert sensorium("diagram", run)[1].startswith("graph LR")


def test_what_people_read(sensorium, table, run):
    code, out, err = sensorium("evaluate", run, table)
    assert code == 0
    assert "Traceback" not in err
    found = json.loads(sensorium("evaluate", run, table, "--json")[1])
    for name, score in found["metrics"].items():
        assert re.search(rf"{name} +" + " +".join(f"{score[key]:.4f}" for key in ("value", "low", "high")), out)
    assert out.endswith("40 rows; 0 left out.\n")
    out = sensorium("summary", run)[1]
    total = sum(part["parameters"] for part in json.loads(sensorium("summary", run, "--json")[1]))
    assert out.endswith(f"{total:,} parameters\n")
    rows = json.loads(sensorium("predict", run, table, "--json")[1])
    assert len(rows) == 40
    assert {row["label"] for row in rows} <= {"yes", "no"}
    assert yaml.safe_load(sensorium("init", table, "--target", "label")[1])["fusion"]["type"] == "gated"
    assert re.search(
        r"one batch of 8 rows gives a loss of \d\.\d{3}; [\d,]+ parameters; \d+ of its cells can't be used. All is well",
        sensorium("check", table, "--target", "label", *(f"--ignore={name}" for name in ("photo", "call", "clip")))[1],
    )


def test_a_fit_shows_the_fused_score_beside_all_it_is_compared_with(sensorium, tmp_path, monkeypatch):
    with_time = partial(compare_alone, budget=1e6)  # on a busy machine some of it would be skipped
    monkeypatch.setattr("sensorium.training.fit.compare_alone", lambda *given: with_time(*given[:-1]))
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 60))
    frame = pd.DataFrame({"a": [f"[{x}, {x}]" for x in a], "b": [f"[{x}, {x}]" for x in b], "price": a + b})
    frame.to_csv(tmp_path / "table.csv", index=False)
    given = ["fit", tmp_path / "table.csv", "--target", "price", "--out", tmp_path / "run", "--epochs", 3]
    code, out, err = sensorium(*given, "--set", "training.precision=32")
    assert code == 0
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["targets"]["price"]

    def cells(first):
        (line,) = [line for line in out.split("\n") if line.strip().startswith(first + "  ")]
        return line.split()[len(first.split()) :]

    assert "price: r2 on validation rows" in out
    assert cells("fused")[0] == f"{found['valid']['r2']['value']:.3f}"
    assert cells("mean") == [f"{found['majority']['r2']['value']:.3f}"]
    for name in "ab":
        assert cells(f"{name} alone") == [f"{found[k][name]['r2']['value']:.3f}" for k in ("alone", "probes", "floors")]
    assert cells("all, classical") == ["-", "-", f"{found['floors']['all']['r2']['value']:.3f}"]
    assert out.endswith(f"on the comparison. Saved to {tmp_path / 'run'}.\n")
    assert re.search(r"epoch 3/3  step \d+/21  loss \d+\.\d{3}  \d+:\d\d left at most", err)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "TABLE", "--target", "lable", "--out", "r"], "has no column 'lable' to be the target. Did you mean 'label'?"),
        (["fit", "gone.csv", "--target", "x", "--out", "r"], "cannot read gone.csv: there is no such file"),
        (["inspect", "TABLE", "--as", "photo=imgae"], "unknown modality 'imgae'. Did you mean 'image'?"),
        (["inspect", "TABLE", "--as", "photo"], "--as must be COLUMN=MODALITY, such as photo=image; got 'photo'."),
        (["check", "TABLE", "--target", "label", "--set", "fusion.type=gatd"], "unknown fusion 'gatd'. Did you mean 'gated'?"),
        (["evaluate", "nowhere", "TABLE"], "cannot load nowhere: there is no such folder"),
        (["predict", "nowhere", "TABLE"], "give a file to write to with -o FILE, or --json."),
        (["example", "dmo"], "unknown example 'dmo'. Did you mean 'demo'?"),
    ],
)  # fmt: skip
def test_mistakes_exit_with_2_and_a_message(sensorium, table, words, message):
    code, out, err = sensorium(*[table if word == "TABLE" else word for word in words])
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
