"""An ensemble: fitted, saved and asked as one run; what it says is the weighted sum of what its networks say."""

import copy
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import sensorium as sm
from sensorium.config import dump_config, member_config, parse_config
from sensorium.data.targets import fit_target
from sensorium.ensemble.committee import CommitteeEncoder, is_committee
from sensorium.errors import ConfigError, DataError, TrainingError
from sensorium.export.archive import read_json, seal, write_json
from sensorium.training import members
from sensorium.training.members import check_members, seconds_for

MEMBERS = [{}, {"seed": 1, "fusion": {"type": "film", "width": 12}}, {"seed": 2, "encoders": {"note": "rnn"}}]
CONFIG = {
    "inputs": {
        "note": {"modality": "text"},
        "columns": {"modality": "tabular", "columns": ["age", "shop"]},
        "pose": {"modality": "vector"},
    },
    "fusion": {"type": "gated", "width": 16},
    "training": {"epochs": 3, "batch_size": 8, "precision": "32", "probes": False},
    "ensemble": {"members": MEMBERS},
}
TARGETS = ["label", "price"]


def table_of(rows, seed=0):
    """The note and the age tell the label and the price, each a part of both; some cells are empty."""
    random = np.random.default_rng(seed)
    kinds, age = random.integers(0, 2, rows), random.normal(50, 9, rows)
    drive = 2 * kinds - 1 + (age - 50) / 9 + 0.3 * random.normal(size=rows)
    notes = [f"{'a bright and sunny' if kind else 'a dark and rainy'} day, number {i}" for i, kind in enumerate(kinds)]
    return pd.DataFrame(
        {
            "note": [None if i % 7 == 0 else note for i, note in enumerate(notes)],
            "age": np.where(np.arange(rows) % 9 == 0, np.nan, age),
            "shop": random.choice(["north", "south"], rows),
            "pose": [str(row) for row in random.normal(size=(rows, 3)).round(3).tolist()],
            "label": np.where(drive > 0, "yes", "no"),
            "price": 10 + drive,
        }
    )


@pytest.fixture(scope="module")
def table():
    return table_of(120)


@pytest.fixture(scope="module")
def fitted(table, tmp_path_factory):
    """Weights that keep all three networks, whatever 18 validation rows say of them."""
    shares = [0.5, 0.3, 0.2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_picked", lambda name, found, *_: np.array([*shares[: len(found)], 0.0]))
        folder = tmp_path_factory.mktemp("ensemble") / "run"
        return sm.fit(table, TARGETS, config=CONFIG, out=folder), folder


def test_the_run_answers_as_the_fit_after_saving_and_packing(fitted, tmp_path):
    predictor, folder = fitted
    assert is_committee(predictor.model)
    assert predictor.model.members == (0, 1, 2)
    new = table_of(20, 1).drop(columns=TARGETS)
    loaded = sm.load(folder)
    pd.testing.assert_frame_equal(loaded.predict(new), predictor.predict(new))
    predictor.save(tmp_path / "packed.sensorium")
    pd.testing.assert_frame_equal(sm.load(tmp_path / "packed.sensorium").predict(new), predictor.predict(new))
    assert [part["layer"] for part in loaded.parts()[:1]] == ["CommitteeEncoder"]
    assert sum(part["parameters"] for part in loaded.parts()) > 0


def test_rows_with_any_input_missing_are_answered(fitted):
    predictor, _ = fitted
    new = table_of(8, 1).drop(columns=TARGETS)
    assert np.isfinite(predictor.predict(new.drop(columns=["note"]))["price"]).all()
    assert np.isfinite(predictor.predict(new[["pose"]])["price"]).all()
    assert set(predictor.evaluate(table_of(30, 2), inputs=["note"])["metrics"]) >= {"label.accuracy", "price.r2"}


def test_its_network_is_the_weighted_sum_of_its_members(fitted):
    """The shares of `_picked` times each network's own; the linear part besides."""
    predictor, folder = fitted
    told = predictor.metrics["ensemble"]
    assert [round(one["shares"]["label"], 6) for one in told["members"]] == [0.5, 0.3, 0.2]
    assert told["untrained"] == 0
    assert read_json(folder / "inputs.json")["members"] == [0, 1, 2]
    head = predictor.model.head("label")
    assert (head.weights > 0).all()
    assert predictor.model.wide.shares("label")[0] == 1.0
    fusions = [type(fusion).__name__ for fusion in predictor.model.fusion.fusions]
    assert fusions == ["Gated", "Film", "Gated"]
    note = predictor.model.encoder("note")
    assert isinstance(note, CommitteeEncoder)
    assert [type(own).__name__ for own in note.members] == ["TextBag", "TextBag", "TextRNN"]


def test_it_explains_embeds_and_reports_like_any_run(fitted):
    predictor, _ = fitted
    rows = table_of(12, 3)
    found = predictor.explain(rows, numbers=[2, 5], target="label")
    for one in found:
        assert set(one.parts) == {"note", "columns", "pose"}
        assert one.base + sum(one.values.values()) == pytest.approx(one.output, abs=1e-3)
    assert predictor.embed(rows).shape == (12, 16 + 12 + 16)
    assert "<html" in predictor.report(rows, time_limit=2).html
    assert predictor.robustness(rows, time_limit=2)


def test_a_student_learns_from_it(fitted, table, tmp_path):
    predictor, _ = fitted
    found = sm.compress(predictor, table, out=tmp_path, shares=[0.5], test=table_of(40, 4), epochs=2)
    assert found["model"].tolist() == ["teacher", "0.5"]
    assert found["bytes"][1] < found["bytes"][0]
    student = sm.load(tmp_path / "0.5")
    assert not is_committee(student.model)
    assert student.config.ensemble.members == ()


def test_the_configuration_of_a_run_repeats_it(fitted, table):
    predictor, folder = fitted
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert [member.get("seed") for member in config["ensemble"]["members"]] == [None, 1, 2]
    assert parse_config(config) == predictor.config
    assert dump_config(member_config(predictor.config, 1)).count("film") == 1
    assert member_config(predictor.config, 2).training.seed == 2


def test_members_that_are_done_are_not_trained_again(table, tmp_path, monkeypatch):
    """Stopped while the third network is at work; the same run in the end as one that never stopped."""
    whole = sm.fit(table, TARGETS, config=CONFIG, out=tmp_path / "whole")
    train, calls = members.train, []

    def stopping(network, *args, **more):
        calls.append(network)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(network, *args, **more)

    monkeypatch.setattr(members, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        sm.fit(table, TARGETS, config=CONFIG, out=tmp_path / "stopped")
    calls.clear()
    monkeypatch.setattr(members, "train", lambda *args, **more: (calls.append(1), train(*args, **more))[1])
    gone_on = sm.fit(table, TARGETS, config=CONFIG, out=tmp_path / "stopped", resume=True)
    assert len(calls) == 1
    assert gone_on.model.members == whole.model.members
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(gone_on.model.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("number", [1, 2])
def test_a_network_that_can_not_be_trained_is_left_out_but_for_the_first(table, monkeypatch, tmp_path, number):
    train, calls, lines = members.train, [], []

    def failing(*args, **more):
        calls.append(1)
        if len(calls) == number:
            raise TrainingError("the loss is nan.")
        return train(*args, **more)

    monkeypatch.setattr(members, "train", failing)
    options = {"config": CONFIG, "epochs": 1, "out": tmp_path / "run", "say": lines.append}
    if number == 1:
        with pytest.raises(TrainingError, match=r"the loss is nan\."):
            sm.fit(table, TARGETS, **options)
        return
    predictor = sm.fit(table, TARGETS, **options)
    assert "network 2 of 3 is left out: the loss is nan." in lines
    assert [one["member"] for one in predictor.metrics["ensemble"]["members"]] == [1, 3]
    assert set(predictor.model.members) <= {0, 2}
    new = table_of(10, 1)
    pd.testing.assert_frame_equal(sm.load(tmp_path / "run").predict(new), predictor.predict(new))


def test_networks_that_there_is_no_time_for_are_left_out(table, monkeypatch):
    """As if each network took 100 s and there were 250."""
    more_seconds, train = [0.0], members.train

    def slow(*args, **more):
        more_seconds[0] += 100
        return train(*args, **more)

    monkeypatch.setattr(members, "train", slow)
    monkeypatch.setattr(members, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + more_seconds[0]))
    lines = []
    predictor = sm.fit(table, TARGETS, config=CONFIG, time_limit=312.5, say=lines.append)  # it ends at 80 %
    assert predictor.metrics["ensemble"]["untrained"] == 1
    assert len(predictor.metrics["ensemble"]["members"]) == 2
    assert "there is no time left for 1 of the ensemble's 3 networks." in lines


@pytest.mark.parametrize(
    ("left", "done", "seconds"),
    [(None, [], None), (None, [3.0], None), (100, [], 60), (0.1, [], 1.0), (40, [30, 35], 40), (40, [30, 45], 0.0)],
)
def test_the_time_of_the_next_network(left, done, seconds):
    assert seconds_for(left, done) == seconds


@pytest.mark.parametrize(
    ("more", "started", "why"),
    [
        ({}, True, "it starts from another run, which is one network"),
        ({"imbalance": "gan"}, False, "imbalance.method=gan trains one network's head anew"),
        ({"domain": "shop"}, False, "the section domain aligns one network"),
    ],
)
def test_what_networks_can_not_do_together_is_refused(more, started, why):
    coders = {"label": fit_target("label", ["a", "b"] * 20, "classification")}
    config = parse_config({**CONFIG, "targets": {"label": {}}, **more})
    with pytest.raises(ConfigError, match=f"an ensemble can't be fitted here: {why}. Leave that or the section"):
        check_members(config, coders, started)
    check_members(parse_config({**copy.deepcopy(CONFIG), "ensemble": {}, **more}), coders, started)


def test_a_fit_does_not_start_from_an_ensemble(fitted, table):
    predictor, _ = fitted
    with pytest.raises(ConfigError, match="the run is an ensemble of 3 networks and can't be gone on with"):
        sm.fit(table, "label", start=predictor)
    with pytest.raises(ConfigError, match="the run is an ensemble of 3 networks"):
        sm.adapt(predictor, table)


def test_a_run_with_members_that_its_configuration_lacks_is_not_loaded(fitted, tmp_path):
    predictor, _ = fitted
    predictor.save(tmp_path / "run")
    inputs = read_json(tmp_path / "run" / "inputs.json")
    write_json(tmp_path / "run" / "inputs.json", {**inputs, "members": [0, 7]})
    run = read_json(tmp_path / "run" / "run.json")
    (tmp_path / "run" / "run.json").unlink()
    write_json(tmp_path / "run" / "run.json", {**run, "files": seal(tmp_path / "run")})
    with pytest.raises(DataError, match="do not go together"):
        sm.load(tmp_path / "run")


def test_it_is_no_worse_than_each_network_on_the_validation_rows(table):
    """By what the weights were chosen by, the log-loss; and two that err apart beat each."""
    config = {**CONFIG, "training": {**CONFIG["training"], "epochs": 6, "refit": False}}
    valid = table_of(150, 5)
    whole = sm.fit(table, "label", valid=valid, config=config)
    scores = []
    for place in range(3):
        own = {**config, "ensemble": {}, "training": {**config["training"], "seed": MEMBERS[place].get("seed", 0)}}
        own["fusion"] = MEMBERS[place].get("fusion", config["fusion"])
        own["inputs"] = {**config["inputs"], "note": {"modality": "text"}}
        if "encoders" in MEMBERS[place]:
            own["inputs"]["note"]["encoder"] = "rnn"
        scores.append(sm.fit(table, "label", valid=valid, config=own, settings=["balance=none"]))
    losses = [run.metrics["targets"]["label"]["valid"]["log_loss"]["value"] for run in (whole, *scores)]
    assert losses[0] <= min(losses[1:]) + 0.01  # the temperature is fitted afterwards
