"""sensorium compress, as a user types it."""

import json

import pandas as pd
import pytest

import sensorium as sm


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a table and a run on it as one file."""
    folder = tmp_path_factory.mktemp("compress")
    rows = {"pose": [[row % 2, 1.0] for row in range(60)], "age": [20.0 + row for row in range(60)]}
    rows["label"] = ["no" if row % 2 else "yes" for row in range(60)]
    pd.DataFrame(rows).to_json(folder / "rows.jsonl", orient="records", lines=True)
    training = {"epochs": 2, "precision": "32", "probes": False}
    config = {"fusion": {"type": "gated", "width": 64}, "training": training}
    sm.fit(folder / "rows.jsonl", "label", config=config).save(folder / "model.sensorium")
    return folder


def test_compress(sensorium, run, tmp_path):
    table, file = run / "rows.jsonl", run / "model.sensorium"
    given = ["compress", file, table, "--test", table, "--valid", table, "--epochs", 1, "--anew", "--unlabelled", table]
    code, out, err = sensorium(*given, "--out", tmp_path / "a", "--share", 0.25, "--json")
    assert code == 0, err
    assert [row["model"] for row in json.loads(out)] == ["teacher", "0.25"]
    assert sm.load(tmp_path / "a" / "0.25").run["distilled"]["tensors_taken"] == 0
    code, out, err = sensorium(*given, "--out", tmp_path / "b", "--pruned", "--soft", 0.5, "--temperature", 2)
    assert code == 0, err
    shown = [line.split()[0] for line in out.splitlines() if line.split()]
    assert [word for word in shown if word in {"teacher", "0.5", "0.25", "Saved"}] == [
        "teacher",
        "0.5",
        "0.25",
        "Saved",
    ]
    told = sm.load(tmp_path / "b" / "0.5").run["distilled"]
    assert (told["soft"], told["temperature"]) == (0.5, 2.0)
    assert told["tensors_taken"] > 0


def test_help_has_an_example(sensorium):
    assert "Example: sensorium compress " in sensorium("compress", "--help")[1]


def test_a_mistake_is_told(sensorium, run, tmp_path):
    code, _, err = sensorium("compress", run / "model.sensorium", run / "rows.jsonl", "--out", tmp_path / "a")
    assert code == 2
    assert err.startswith("error: give rows that are new to the run to score by: test=TABLE (--test)")
