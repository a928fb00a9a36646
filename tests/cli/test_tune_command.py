"""sensorium tune, as a user types it."""

import json

import pandas as pd
import yaml


def test_tune_as_spelt(sensorium, table, config, tmp_path):
    path, out, test = tmp_path / "config.yaml", tmp_path / "tuning", tmp_path / "test.csv"
    pd.read_csv(table, dtype=str).tail(20).to_csv(test, index=False)
    small = {**config, "inputs": {"note": {"modality": "text"}, "pose": {"modality": "vector"}}}
    path.write_text(yaml.safe_dump(json.loads(json.dumps(small))))
    words = (
        "tune", table, "--target", "label", "--out", out, "--valid", table, "--test", test, "--trials", 2, "--time-limit", 300,
        "--pruner", "none", "--only", "fusion.type", "--only", "training.learning_rate", "--config", path, "--set",
        "fusion.width=8", "--epochs", 1, "--seed", 3, "--ignore", "price", "--ignore", "tags", "--as", "note=text",
    )  # fmt: skip
    code, shown, err = sensorium(*words)
    assert code == 0, err
    assert "1/2 trial 0: " in err
    assert "2/2 trial 1: " in err
    assert "learning rate" in shown
    assert "2 finished." in shown
    assert "On 20 rows to test with, accuracy is" in shown
    assert f"sensorium fit {table} --config {out / 'best.yaml'} --out RUN" in shown
    assert sensorium("evaluate", out / "best", test)[0] == 0
    code, shown, err = sensorium(*words, "--json")  # all is there
    assert code == 0, err
    assert json.loads(shown) == json.loads((out / "tuning.json").read_text())
    assert "2 of 2 trials are there." in err
    code, _, err = sensorium(*words, "--set", "fusion.width=16")
    assert (code, "holds a tuning with other options" in err) == (2, True)


def test_what_is_wrong_is_said(sensorium, table, tmp_path):
    asked = ("tune", table, "--target", "label", "--out", tmp_path / "out")
    code, _, err = sensorium(*asked, "--only", "fusin.type")
    assert (code, "only: 'fusin.type' is nothing that can be tuned. Did you mean 'fusion.type'?" in err) == (2, True)
    assert "Example: sensorium tune" in sensorium("tune", "--help")[1]
