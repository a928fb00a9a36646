"""Training: the same after a kill, in time, and the best epoch kept."""

import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import sensorium as sm
from sensorium.encoders.features import Input
from sensorium.errors import ConfigError
from sensorium.training.augment import augment, drop_modalities
from sensorium.training.precision import choose_precision

COMMAND = """
import sys, sensorium as sm, numpy as np
random = np.random.default_rng(0)
rows = {"a": random.normal(size=(400, 4)), "b": random.normal(size=(400, 4))}
rows["label"] = np.where(rows["a"][:, 0] + rows["b"][:, 0] > 0, "yes", "no")
sm.fit(rows, "label", out=sys.argv[1], resume="--resume" in sys.argv, epochs=6, batch_size=8, precision="32",
       probes=False, threads=1)
"""


def start(folder, *more):
    return subprocess.Popen([sys.executable, "-c", COMMAND, str(folder), *more], stderr=subprocess.PIPE, text=True)


def finish(process):
    """Its exit code and what it said; the pipe is closed."""
    said = process.communicate(timeout=120)[1]
    return process.returncode, said


def test_a_killed_fit_goes_on_to_the_same_result(tmp_path):
    plain = start(tmp_path / "plain")
    killed = start(tmp_path / "killed", "--resume")  # with nothing there yet, it starts
    checkpoint = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    ends = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < ends and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    finish(killed)
    assert checkpoint.exists()
    assert not (tmp_path / "killed" / "run.json").exists()
    again = start(tmp_path / "killed", "--resume")
    assert finish(again)[0] == 0
    assert finish(plain)[0] == 0
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("plain", "killed"))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    columns = ["epoch", "train_loss", "valid_loss", "learning_rate"]
    histories = [pd.read_csv(tmp_path / name / "history.csv")[columns] for name in ("plain", "killed")]
    pd.testing.assert_frame_equal(*histories)
    assert not (tmp_path / "killed" / "checkpoints").exists()
    # A finished run is returned as it is; without --resume it is not written over.
    before = (tmp_path / "killed" / "run.json").stat().st_mtime_ns
    done = start(tmp_path / "killed", "--resume")
    assert finish(done)[0] == 0
    assert (tmp_path / "killed" / "run.json").stat().st_mtime_ns == before
    refused = start(tmp_path / "killed")
    assert "already holds a run" in finish(refused)[1]


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    found = {"a": random.normal(size=(200, 4)), "b": random.normal(size=(200, 4))}
    return {**found, "label": np.where(found["a"][:, 0] + found["b"][:, 0] > 0, "yes", "no")}


def test_the_seed_decides(rows):
    def probabilities(seed):
        return sm.fit(rows, "label", epochs=2, seed=seed, probes=False, precision="32").predict_proba(rows).to_numpy()

    first, again, other = probabilities(1), probabilities(1), probabilities(2)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_best_epochs_weights_are_kept(rows):
    predictor = sm.fit(
        rows,
        "label",
        epochs=8,
        probes=False,
        precision="32",
        learning_rate=0.02,
        settings=["targets.label.label_smoothing=0", "targets.label.class_weights=none", "training.wide=false"],
        valid=rows,
    )
    predictor.calibration["label"].temperature = 1.0
    found = predictor.evaluate(rows)["metrics"]["log_loss"]["value"]
    assert found == pytest.approx(predictor.history["valid_loss"].min(), rel=1e-3)


def test_the_time_limit_holds_and_the_run_is_saved(rows, tmp_path):
    start = time.monotonic()
    predictor = sm.fit(rows, "label", epochs=100_000, patience=100_000, time_limit=8, out=tmp_path / "run")
    assert time.monotonic() - start < 25  # with slack for a busy machine; 100,000 epochs would take hours
    assert predictor.metrics["stopped"] == "the time limit"
    assert len(sm.load(tmp_path / "run").predict(rows)) == 200


def test_early_stopping(rows):
    predictor = sm.fit(rows, "label", epochs=200, patience=2, learning_rate=0.05, probes=False)
    assert predictor.metrics["stopped"] == "no better validation loss for 2 epochs"
    assert len(predictor.history) < 200


def test_a_fit_without_a_target_or_with_a_wrong_option_is_an_error(rows):
    with pytest.raises(ConfigError, match=r"no target is given. Name one with --target"):
        sm.fit(rows)
    with pytest.raises(ConfigError, match=r"training.epoch: unknown key. Did you mean 'epochs'\?"):
        sm.fit(rows, "label", epoch=3)


def test_modality_dropout_hides_at_its_rate_and_never_the_last_input():
    torch.manual_seed(0)
    there = torch.rand(4000, 3) < 0.6
    inputs = {name: Input(torch.zeros(4000, 2), there[:, i]) for i, name in enumerate("abc")}
    hidden = torch.stack([given.mask for given in drop_modalities(inputs, 0.3).values()], 1)
    assert not (hidden & ~there).any()
    assert torch.equal(hidden.any(1), there.any(1))
    several = there.sum(1) == 3
    # Of three, all are drawn away in 0.3^3 of the rows, and one of them then comes back.
    assert hidden[several].float().mean().item() == pytest.approx(0.7 + 0.3**3 / 3, abs=0.02)


@pytest.mark.parametrize(
    ("modality", "values"),
    [
        ("image", torch.rand(8, 3, 9, 9)),
        ("video", torch.rand(8, 2, 3, 9, 9)),
        ("audio", torch.rand(8, 50)),
        ("text", torch.randint(2, 9, (8, 20))),
    ],
)
def test_augmentation_varies_rows_and_keeps_their_shape_and_mask(modality, values):
    torch.manual_seed(0)
    mask = torch.ones(values.shape[:2] if modality != "image" else 8, dtype=torch.bool)
    found = augment({"x": Input(values, mask)}, {"x": modality})["x"]
    assert found.values.shape == values.shape
    assert torch.equal(found.mask, mask)
    assert not torch.equal(found.values, values)
    if modality in {"image", "video"}:
        assert 0 <= found.values.min() <= found.values.max() <= 1


def test_precision_is_taken_as_said_or_measured(monkeypatch):
    assert choose_precision("bf16", lambda: None) == "bf16"
    monkeypatch.setattr("sensorium.training.precision.has_bf16", lambda: False)
    assert choose_precision("auto", lambda: None) == "32"
    monkeypatch.setattr("sensorium.training.precision.has_bf16", lambda: True)
    slow = {False: 0.02, True: 0.001}
    assert choose_precision("auto", lambda: time.sleep(slow[torch.is_autocast_enabled("cpu")])) == "bf16"
    assert choose_precision("auto", lambda: time.sleep(slow[not torch.is_autocast_enabled("cpu")])) == "32"
