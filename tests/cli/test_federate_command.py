"""sensorium federate"""

import copy
import json

import pandas as pd
import pytest
import yaml
from PIL import Image


@pytest.fixture
def trial(tmp_path):
    """A table of two shops, and a small configuration."""
    rows = [
        {"photo": f"{i}.png", "x": f"{i % 7 - 3 + 0.5 * (i % 2)}", "shop": "ab"[i // 2 % 2], "label": "ny"[i % 2]}
        for i in range(48)
    ]
    for i in range(48):
        Image.new("L", (8, 8), 200 * (i % 2) + i % 30).save(tmp_path / f"{i}.png")
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    config = {
        "inputs": {"photo": {"modality": "image", "size": 8, "encoder": {"type": "cnn", "channels": [4]}}, "x": {}},
        "fusion": {"type": "concat", "width": 8}, "training": {"batch_size": 8, "workers": 0},
    }  # fmt: skip
    config["inputs"]["x"] = {"modality": "numeric"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(copy.deepcopy(config)))
    return tmp_path


def test_simulate_as_spelt(sensorium, trial):
    code, out, err = sensorium(
        "federate", "simulate", trial / "table.csv", "--target", "label", "--by", "shop", "--rounds", 2,
        "--local-epochs", 1, "--strategy", "fedprox", "--term", "proximal=0.5", "--config", trial / "config.yaml",
        "--set", "training.learning_rate=0.01", "--lacks", "a:photo", "--seed", 3, "--out", trial / "run", "--json",
    )  # fmt: skip
    assert code == 0, err
    told = json.loads(out)
    assert told["federated"]["terms"]["proximal"] == 0.5
    assert told["federated"]["sites"]["a"]["inputs"] == ["x"]
    assert len(told["history"]) == 2
    assert "round 2 of 2: 2 sites" in err
    code, out, err = sensorium("evaluate", trial / "run", trial / "table.csv")
    assert code == 0, err


def test_mistakes_are_named(sensorium, trial):
    table = trial / "table.csv"
    code, _, err = sensorium("federate", "simulate", table, "--target", "label", "--by", "shop", "--noise", 1)
    assert (code, "error: noise needs clip" in err) == (2, True)
    code, _, err = sensorium("federate", "server", "--target", "label")
    assert (code, "error: a federation needs certificates" in err) == (2, True)
    code, _, err = sensorium(
        "federate", "client", table, "--server", "localhost:1", "--name", "a", "--certificates", trial
    )
    assert (code, "error: cannot read" in err) == (2, True)
    code, _, err = sensorium(
        "federate", "client", table, "--server", "localhost:1", "--name", "a", "--insecure", "--patience", 0
    )
    assert (code, "error: the server at localhost:1 has been away for 0 s" in err) == (2, True)


def test_keys(sensorium, tmp_path):
    code, out, err = sensorium(
        "federate", "keys", tmp_path, "--server", "localhost", "--site", "a", "--site", "b", "--json"
    )
    assert code == 0, err
    assert len(json.loads(out)["written"]) == 8
    code, out, _ = sensorium("federate", "keys", tmp_path, "--server", "localhost", "--site", "a")
    assert out == "All of them are there already.\n"


def test_help_has_an_example(sensorium):
    for command in ("simulate", "server", "client", "keys"):
        assert f"Example: sensorium federate {command}" in sensorium("federate", command, "--help")[1]
