"""From a checkpoint on disk to a run that needs it no more."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("peft", reason="pretrained encoders need 'sensorium[pretrained]'")

import pandas as pd
import tiny
import torch
from safetensors.torch import load_file, save_file

import sensorium as sm
from sensorium.data.table import read_table
from sensorium.errors import ConfigError, TrainingError
from sensorium.planning import plan

QUICK = {"epochs": 2, "wide": False, "probes": False, "threads": 1}


def table(rows=40):
    random = np.random.default_rng(0)
    words = np.array(["red circle", "blue square"])
    kind = random.integers(0, 2, rows)
    pictures = [np.full((16, 16, 3), 220 if k else 30, np.uint8) for k in kind]
    return {
        "note": [f"{words[k]} {i}" for i, k in enumerate(kind)],
        "photo": pictures,
        "kind": np.where(kind, "square", "circle").tolist(),
    }


def config(folder, train, modality="text"):
    column = {"text": "note", "image": "photo"}[modality]
    inputs = {column: {"modality": modality, "encoder": {"type": "pretrained", "model": str(folder), "train": train}}}
    other = {
        "photo": {"encoder": {"type": "cnn", "channels": [4, 8]}},
        "note": {"modality": "text", "encoder": {"type": "bag"}},
    }
    return {"inputs": {**other, **inputs}, "balance": {"method": "none"}, "fusion": {"type": "gated", "width": 16}}


@pytest.mark.parametrize("train", ["frozen", "lora", "top:1", "all"])
def test_a_run_answers_the_same_without_its_checkpoint(tmp_path, train, monkeypatch):
    source, run = tmp_path / "model", tmp_path / "run"
    tiny.save("bert", source)
    rows = table()
    predictor = sm.fit(rows, "kind", out=run, config=config(source, train), **QUICK)
    said = predictor.predict_proba(rows)
    body = predictor.model.encoder("note").body
    assert not any("lora" in name for name, _ in body.named_parameters())
    fresh = {name: value for name, value in tiny.opened("bert").state_dict().items() if "pooler" not in name}
    moved = {name for name, value in body.network.state_dict().items() if not torch.equal(value, fresh[name])}
    assert bool(moved) == (train != "frozen")
    if train == "top:1":
        assert all(name.startswith("encoder.layer.1.") for name in moved)
    shutil.rmtree(source)
    again = sm.load(run)
    pd.testing.assert_frame_equal(again.predict_proba(rows), said)
    one = again.predict_proba({"note": rows["note"][3:4], "photo": rows["photo"][3:4]})
    np.testing.assert_allclose(one.to_numpy()[0], said.to_numpy()[3], atol=1e-5)


def test_frozen_features_stand_beside_the_network_in_the_wide_part(tmp_path):
    tiny.save("vit", tmp_path / "model")
    rows = table(60)
    options = {**QUICK, "wide": True}
    predictor = sm.fit(
        rows, "kind", out=tmp_path / "run", config=config(tmp_path / "model", "frozen", "image"), **options
    )
    assert predictor.config.inputs["photo"].size == (32, 32)
    assert "photo (pretrained)" in predictor.model.wide.features.groups
    assert predictor.evaluate(rows)["metrics"]["accuracy"]["value"] == 1.0
    again = sm.load(tmp_path / "run")
    pd.testing.assert_frame_equal(again.predict_proba(rows), predictor.predict_proba(rows))
    missing = again.predict_proba({"note": rows["note"][:3]})
    assert np.isfinite(missing.to_numpy()).all()


def test_robustness_of_a_frozen_encoder_damages_what_it_reads(tmp_path):
    tiny.save("vit", tmp_path / "model")
    rows = table(60)
    predictor = sm.fit(rows, "kind", config=config(tmp_path / "model", "frozen", "image"), **{**QUICK, "wide": True})
    found = predictor.robustness(rows)["targets"]["kind"]
    assert found["clean"] == predictor.evaluate(rows)["metrics"][found["metric"]]["value"]


def test_a_stranger_cannot_name_another_kind_of_network(tmp_path):
    tiny.save("bert", tmp_path / "model")
    sm.fit(table(), "kind", out=tmp_path / "run", config=config(tmp_path / "model", "frozen"), **QUICK)
    told = json.loads((tmp_path / "run" / "inputs.json").read_text())
    assert told["sources"]["note"]["config"]["model_type"] == "bert"
    assert "folder" not in told["sources"]["note"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"train": "some"}, r"inputs.note.encoder.train: must be frozen, lora, all, or top:N"),
        ({"train": "top:9"}, r"inputs.note.encoder: Pretrained.train must be top:1 to top:2; got top:9"),
        ({"rank": 0}, r"inputs.note.encoder.rank: must be greater than or equal to 1"),
        ({"model": "no/such/folder"}, r"inputs.note.encoder: model 'no/such/folder' can't be read"),
    ],
)
def test_bad_options(tmp_path, given, message):
    tiny.save("bert", tmp_path)
    options = {"type": "pretrained", "model": str(tmp_path), **given}
    with pytest.raises(ConfigError, match=message):
        sm.fit(table(), "kind", config={"inputs": {"note": {"modality": "text", "encoder": options}}}, **QUICK)


def test_a_vocabulary_is_not_chosen_and_texts_are_cut_where_the_model_ends(tmp_path):
    tiny.save("bert", tmp_path)
    encoder = {"type": "pretrained", "model": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"inputs.note.vocabulary: must be left out"):
        sm.fit(
            table(),
            "kind",
            config={"inputs": {"note": {"modality": "text", "encoder": encoder, "vocabulary": 300}}},
            **QUICK,
        )
    with pytest.raises(ConfigError, match=r"inputs.note.max_tokens: must be at most 40"):
        sm.fit(
            table(),
            "kind",
            config={"inputs": {"note": {"modality": "text", "encoder": encoder, "max_tokens": 41}}},
            **QUICK,
        )
    long = {"note": ["red " * 60, "blue " * 60] * 20, "kind": ["a", "b"] * 20}
    predictor = sm.fit(long, "kind", config={"inputs": {"note": {"modality": "text", "encoder": encoder}}}, **QUICK)
    reader = predictor.readers["note"]
    ids = reader.read(["red " * 60], lambda *_: None)
    assert (len(ids), ids[0], ids[-1]) == (40, 2, 3)  # begins with [CLS], ends with [SEP]


def test_auto_takes_what_is_installed_and_else_learns_from_scratch(monkeypatch):
    rows = table()
    monkeypatch.setattr("sensorium.pretrained.choose.suited", lambda modality, cells: None)
    plain = sm.fit(rows, "kind", config={"inputs": {"note": {"modality": "text", "encoder": "auto"}}}, **QUICK)
    assert plain.config.inputs["note"].encoder.type == "bag"


def test_pretrained_asks_for_auto_everywhere(monkeypatch, tmp_path):
    tiny.save("bert", tmp_path)
    monkeypatch.setattr(
        "sensorium.pretrained.choose.suited", lambda modality, cells: str(tmp_path) if modality == "text" else None
    )
    predictor = sm.fit(table(), "kind", pretrained=True, modalities={"note": "text"}, **QUICK)
    assert predictor.config.inputs["note"].encoder.model == str(tmp_path)
    assert predictor.config.inputs["photo"].encoder.type == "cnn"


def test_an_encoder_set_on_the_command_line_gets_its_own_sizes(tmp_path):
    tiny.save("vit", tmp_path)
    rows = read_table(table())
    chosen, _ = plan(rows, "kind", settings=[f"inputs.photo.encoder={{type: pretrained, model: {tmp_path}}}"])
    assert chosen.inputs["photo"].size == (32, 32)
    kept, _ = plan(
        rows, "kind", settings=["inputs.photo.size=48", f"inputs.photo.encoder={{type: pretrained, model: {tmp_path}}}"]
    )
    assert kept.inputs["photo"].size == 48


def test_pretrained_is_asked_for_on_the_command_line(monkeypatch, tmp_path):
    tiny.save("bert", tmp_path)
    monkeypatch.setattr(
        "sensorium.pretrained.choose.suited", lambda modality, cells: str(tmp_path) if modality == "text" else None
    )
    chosen, _ = plan(read_table(table()), "kind", settings=["training.pretrained=true"], modalities={"note": "text"})
    assert chosen.inputs["note"].encoder.model == str(tmp_path)


def test_a_column_with_a_dot_gets_its_own_sizes_too(tmp_path):
    tiny.save("vit", tmp_path)
    rows = table()
    rows["photo.1"] = rows.pop("photo")
    chosen, _ = plan(
        read_table(rows), "kind", settings=[f"inputs.photo.1.encoder={{type: pretrained, model: {tmp_path}}}"]
    )
    assert chosen.inputs["photo.1"].size == (32, 32)


class Killed(Exception):
    """In the middle of an epoch."""


@pytest.mark.parametrize(("train", "held"), [("frozen", 0), ("lora", 24), ("top:1", 16), ("all", 37)])
def test_checkpoints_hold_what_learns_and_a_resumed_fit_is_the_same(tmp_path, train, held):
    tiny.save("bert", tmp_path / "model")
    options = {**QUICK, "epochs": 3, "precision": "32", "config": config(tmp_path / "model", train)}
    plain = sm.fit(table(), "kind", **options)

    def stop(told):
        if told["epoch"] == 3:
            raise Killed

    with pytest.raises(Killed):
        sm.fit(table(), "kind", out=tmp_path / "run", report=stop, **options)
    (last,) = (tmp_path / "run").rglob("last.ckpt")
    state = torch.load(last, weights_only=True)["state_dict"]
    body = [name for name in state if ".body." in name]
    assert len(body) == held
    assert len(state) > held
    again = sm.fit(table(), "kind", out=tmp_path / "run", resume=True, **options)
    first, second = plain.model.state_dict(), again.model.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    left_out = ["seconds", "waited"]
    assert again.history.drop(columns=left_out).equals(plain.history.drop(columns=left_out))


def test_a_checkpoint_of_other_pretrained_weights_is_not_gone_on_from(tmp_path):
    tiny.save("bert", tmp_path / "model")
    options = {**QUICK, "config": config(tmp_path / "model", "frozen")}

    def stop(told):
        if told["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        sm.fit(table(), "kind", out=tmp_path / "run", report=stop, **options)
    weights = load_file(tmp_path / "model" / "model.safetensors")
    save_file(
        {name: value + 1 for name, value in weights.items()}, tmp_path / "model" / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(TrainingError, match="goes with other weights of its pretrained models than there are now"):
        sm.fit(table(), "kind", out=tmp_path / "run", resume=True, **options)


def test_a_frozen_network_that_is_kept_twice_is_written_once(tmp_path, monkeypatch):
    tiny.save("bert", tmp_path / "model")
    options = {**QUICK, "config": {**config(tmp_path / "model", "frozen"), "balance": {"method": "auto"}}}
    told = {"input": "note", "alone": 0.1, "fused": 0.2}
    monkeypatch.setattr("sensorium.training.balance.Balancer.better_alone", told)
    predictor = sm.fit(table(), "kind", out=tmp_path / "run", **options)
    assert predictor.model.single.network.encoder("note").body is predictor.model.encoder("note").body
    names = load_file(tmp_path / "run" / "weights.safetensors")
    assert sum(name.startswith("single.") for name in names) > 0
    assert not any(name.startswith("single.") and ".body." in name for name in names)
    again = sm.load(tmp_path / "run")
    assert again.model.single.network.encoder("note").body is again.model.encoder("note").body
    pd.testing.assert_frame_equal(again.predict_proba(table()), predictor.predict_proba(table()))
