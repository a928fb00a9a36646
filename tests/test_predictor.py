"""The front door: fit, load, predict, evaluate, save."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import sensorium as sm
from sensorium.errors import ConfigError, DataError


def test_a_saved_run_answers_as_the_one_that_was_trained(table, config, tmp_path):
    first = sm.fit(table, "label", config=config, out=tmp_path / "run")
    expected = first.predict_proba(table)
    assert sm.load(tmp_path / "run").model.wide.shares("label") == first.model.wide.shares("label")
    pd.testing.assert_frame_equal(sm.load(tmp_path / "run").predict_proba(table), expected)
    first.save(tmp_path / "copy")
    pd.testing.assert_frame_equal(sm.load(tmp_path / "copy").predict_proba(table), expected)
    with pytest.raises(ConfigError, match="copy already holds a run"):
        first.save(tmp_path / "copy")


def test_a_rows_answer_depends_on_that_row_alone(table, run):
    predictor = sm.load(run)
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    whole = predictor.predict_proba(rows, media_root=table.parent)
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)
    for row in (0, 5, 7, 39):
        alone = predictor.predict_proba(rows.iloc[[row]], media_root=table.parent)
        np.testing.assert_allclose(alone.to_numpy()[0], whole.to_numpy()[row], atol=1e-5)
    backwards = predictor.predict_proba(rows.iloc[::-1], media_root=table.parent)
    np.testing.assert_allclose(backwards.to_numpy()[::-1], whole.to_numpy(), atol=1e-5)


def test_the_signal_is_learned_and_evaluated(table, config, tmp_path):
    predictor = sm.fit(
        table, "label", config={**config, "inputs": {"photo": config["inputs"]["photo"], "note": {}}}, epochs=12
    )
    found = predictor.evaluate(table)
    accuracy = found["metrics"]["accuracy"]
    assert accuracy["value"] > 0.9
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert (found["rows"], found["left_out"]) == (40, 0)
    with pytest.raises(ConfigError, match=r"unknown input 'fhoto'. Did you mean 'photo'\?"):
        predictor.evaluate(table, inputs=["fhoto"])
    only = predictor.evaluate(table, inputs=["note"])["metrics"]["log_loss"]["value"]
    assert only != pytest.approx(found["metrics"]["log_loss"]["value"])


def test_several_targets_of_every_task(table, config):
    targets = {"targets": {"price": {"task": "regression"}, "tags": {"task": "multilabel"}, "shop": {}}}
    inputs = {"inputs": {"note": {}, "pose": {}}}
    predictor = sm.fit(table, "label", config={**config, **inputs, **targets})
    answers = predictor.predict(table)
    assert sorted(answers.columns) == ["label", "price", "shop", "tags"]
    assert set(answers["label"]) <= {"yes", "no"}
    assert answers["price"].dtype == float
    assert set("|".join(answers["tags"]).split("|")) <= {"a", "b", ""}
    assert set(predictor.predict_proba(table)) == {"label", "shop", "tags"}
    metrics = predictor.evaluate(table)["metrics"]
    assert {"label.accuracy", "price.r2", "tags.micro_f1", "shop.accuracy"} <= set(metrics)


def test_numbers_have_no_probabilities(table, config):
    predictor = sm.fit(table, "price", config={**config, "inputs": {"pose": {}}})
    assert predictor.coders["price"].task == "regression"
    with pytest.raises(ConfigError, match="targets price are numbers and have no probabilities; use predict"):
        predictor.predict_proba(table)


def test_arrays_pictures_waves_and_bytes(config):
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 255, (12, 12, 3), dtype=np.uint8)) for _ in range(24)]
    rows = {
        "scan": random.random((24, 10, 10)),
        "photo": pictures,
        "cough": [(random.normal(size=2000).astype(np.float32), 8000) for _ in range(24)],
        "pose": random.normal(size=(24, 4)),
        "label": np.arange(24) % 2,
    }
    predictor = sm.fit(rows, "label", epochs=1, probes=False)
    kinds = {name: given.modality for name, given in predictor.config.inputs.items()}
    assert kinds == {"scan": "image", "photo": "image", "cough": "audio", "pose": "vector"}
    assert len(predictor.predict(rows)) == 24


def test_a_bag_of_files_in_a_cell(table, config):
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows["photo"] = ["p1.png|p2.png" if row % 2 else "p3.png" for row in range(len(rows))]
    predictor = sm.fit(rows, "label", media_root=table.parent, config={**config, "inputs": {"photo": {"size": 16}}})
    assert predictor.schema.columns["photo"].bag == 2
    asked = pd.DataFrame({"photo": [["p1.png", "gone.png"], ["p1.png"], ["gone.png"], []]})
    answers = predictor.predict_proba(asked, media_root=table.parent).to_numpy()
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)  # of a bag, any file may be missing
    np.testing.assert_allclose(answers[2], answers[3], atol=1e-5)
    assert list(predictor.problems.frame()["row"]) == [1, 3]


def test_answering_needs_neither_training_rows_nor_lightning(table, run, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    rows = tmp_path / "new.jsonl"
    rows.write_text(json.dumps({"note": "a fine bright day it was", "age": 40, "shop": "moon"}) + "\n")
    code = f"""
import sys, sensorium
answer = sensorium.load({str(moved)!r}).predict({str(rows)!r})
print(list(answer), [name for name in ("lightning", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"['yes'] []", "['no'] []"}, done.stdout + done.stderr


def test_a_run_that_was_changed_is_refused(run, tmp_path):
    def copy(name):
        shutil.copytree(run, tmp_path / name)
        return tmp_path / name

    weights = copy("weights") / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(DataError, match=r"weights.safetensors is not the file that was saved"):
        sm.load(tmp_path / "weights")
    (copy("config") / "config.yaml").unlink()
    with pytest.raises(DataError, match=r"is not whole: config.yaml is missing"):
        sm.load(tmp_path / "config")
    path = copy("format") / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(DataError, match="has the format 99; this sensorium reads format 1"):
        sm.load(tmp_path / "format")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty is no finished run: it has no run.json"):
        sm.load(tmp_path / "empty")
    with pytest.raises(DataError, match=r"cannot load .*nowhere: there is no such folder"):
        sm.load(tmp_path / "nowhere")


def test_a_run_folder_holds_data_alone(run):
    kinds = {path.suffix for path in run.rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json", ".yaml", ".csv", ".png"}
    history = pd.read_csv(run / "history.csv")
    first = ["epoch", "train_loss", "valid_loss", "learning_rate", "seconds", "waited"]
    assert list(history.columns)[:6] == first  # then what the balance of the inputs has to say
    assert len(history) == 2
    assert history[first].notna().all(axis=None)


def test_a_part_of_somebody_elses_is_used_by_its_name(table, config):
    from torch import nn

    from sensorium import encoders, fusion
    from sensorium.encoders.features import Features

    class Brightness(nn.Module):
        mask_dims = 1

        def __init__(self, width: int = 128, scale: float = 1.0):
            super().__init__()
            self.width, self.linear, self.scale = width, nn.Linear(3, width), scale

        def forward(self, values, mask):
            return Features(self.linear(self.scale * values.float().mean((2, 3)))[:, None], mask[:, None])

    encoders.add("image", "brightness", Brightness)
    fusion.add("other_mean", fusion.Mean)
    try:
        own = {
            "inputs": {"photo": {"encoder": {"type": "brightness", "scale": 2.0}}},
            "fusion": {"type": "other_mean", "width": 16},
        }
        predictor = sm.fit(table, "label", config={**config, **own})
        assert predictor.model.encoder("photo").scale == 2.0
        with pytest.raises(ConfigError, match=r"inputs.photo.encoder.scal: unknown key. Did you mean 'scale'\?"):
            sm.fit(
                table, "label", config={**config, "inputs": {"photo": {"encoder": {"type": "brightness", "scal": 2}}}}
            )
    finally:
        encoders.ENCODERS["image"].pop("brightness")
        fusion.FUSIONS.pop("other_mean")
