"""A run that goes on with another table: what of it stays, what learns, what is new."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import sensorium as sm
from sensorium.errors import ConfigError, DataError

QUICK = {"probes": False, "threads": 1, "precision": "32"}


def table(count=120, classes=("low", "high"), shift=0.0, seed=0, **columns):
    """Two vectors; the first number of `a`, less a shift, tells the class."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, count, 4))
    edges = np.linspace(-0.6, 0.6, len(classes) - 1) if len(classes) > 2 else [0.0]
    place = np.digitize(a[:, 0], edges)
    a[:, 0] += shift
    return {"a": list(a), "b": list(b), "label": [classes[i] for i in place], **columns}


@pytest.fixture(scope="module")
def run():
    config = {"fusion": {"type": "concat", "width": 16}, "balance": {"method": "none"}}
    return sm.fit(table(), "label", config=config, epochs=6, seed=1, **QUICK)


@pytest.mark.parametrize("train", ["heads", "lora", "all"])
def test_what_learns_is_what_was_asked_for(run, train):
    if train == "lora":
        pytest.importorskip("peft", reason="lora needs 'sensorium[pretrained]'")
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    adapted = sm.adapt(run, table(40, shift=1.0, seed=5), train=train, epochs=2, **QUICK)
    after = adapted.model.state_dict()
    assert before.keys() == after.keys()  # nothing of the adapters is left
    assert all(
        torch.equal(value, run.model.state_dict()[name]) for name, value in before.items()
    )  # the run is as it was
    changed = {
        name.split(".")[0]
        for name, value in before.items()
        if not name.startswith("wide.") and not torch.equal(value, after[name])
    }
    assert (
        changed
        == {"heads": {"heads"}, "lora": {"encoders", "fusion", "heads"}, "all": {"encoders", "fusion", "heads"}}[train]
    )
    assert not any(getattr(module, "rests", False) and module.training for module in adapted.model.modules())


def test_a_rate_of_almost_nothing_leaves_the_answers_as_they_were(run):
    rows = table(28, seed=7)  # too few for a linear part of their own
    adapted = sm.adapt(run, rows, train="all", epochs=1, learning_rate=1e-12, **QUICK)
    ours, theirs = adapted.predict_proba(rows), run.predict_proba(rows)
    # Another calibration is learned, which changes no order.
    assert (ours.to_numpy().argmax(1) == theirs.to_numpy().argmax(1)).all()
    one, other = (np.log(p.to_numpy()[:, 1] / p.to_numpy()[:, 0]) for p in (ours, theirs))
    assert np.corrcoef(one, other)[0, 1] > 0.9999


def test_known_classes_stay_in_their_order_and_new_ones_follow(run):
    rows = table(90, ("low", "high", "aaa"), seed=3)
    adapted = sm.adapt(run, rows, train="all", epochs=2, **QUICK)
    known = list(run.predict_proba(rows).columns)
    assert list(adapted.predict_proba(rows).columns) == [*known, "aaa"]
    assert adapted.run["adapted"]["targets"]["label"] == {"new": ["aaa"], "absent": []}


def test_a_class_without_rows_can_still_be_answered(run):
    rows = table(60, seed=4)
    label = np.array(rows["label"])
    keep = np.flatnonzero(label == "low")
    only = {name: [column[i] for i in keep] for name, column in rows.items()}
    adapted = sm.adapt(run, only, train="heads", epochs=1, learning_rate=1e-9, **QUICK)
    assert set(adapted.predict(rows)) == {"low", "high"}
    assert adapted.run["adapted"]["targets"]["label"]["absent"] == ["high"]


def test_columns_go_and_come(run, tmp_path):
    rows = table(60, seed=6, colour=["red", "blue", "green"] * 20)
    del rows["b"]
    said = []
    adapted = sm.adapt(run, rows, train="heads", epochs=1, out=tmp_path / "run", say=said.append, **QUICK)
    line = next(line for line in said if "goes on with" in line)
    assert "Missing here, and left as they were: 'b'" in line
    assert "New: 'columns'" in line
    assert set(adapted.readers) == {"a", "b", "columns"}
    again = sm.load(tmp_path / "run")
    pd.testing.assert_frame_equal(again.predict_proba(rows), adapted.predict_proba(rows))
    told = json.loads((tmp_path / "run" / "run.json").read_text())["adapted"]
    assert told["train"] == "heads"
    assert 0 < told["learning"] < 1


def test_a_few_rows_of_another_place_are_better_answered_than_as_it_is_or_anew():
    pytest.importorskip("peft", reason="lora needs 'sensorium[pretrained]'")
    direction = np.random.default_rng(99).normal(size=30)
    direction /= np.linalg.norm(direction)

    def place(count, shift, seed):
        """What tells the class is the same everywhere, where its middle lies is not."""
        numbers = np.random.default_rng(seed).normal(size=(count, 30))
        label = np.where(numbers @ direction > 0, "yes", "no")
        return {"a": list(numbers + shift * direction), "label": label}

    def score(predictor):
        return predictor.evaluate(place(400, 1.0, 12))["metrics"]["accuracy"]["value"]

    config = {"balance": {"method": "none"}}
    start = sm.fit(place(800, 0.0, 1), "label", config=config, seed=0, **QUICK)
    few = place(80, 1.0, 11)
    adapted = score(sm.adapt(start, few, seed=0, **QUICK))
    assert adapted > score(start) + 0.1
    assert adapted > score(sm.fit(few, "label", config=config, seed=0, **QUICK)) + 0.03


@pytest.mark.parametrize(
    ("options", "rows", "match"),
    [
        ({"train": "head"}, table(20), "unknown value 'head'.*heads"),
        ({}, {name: column for name, column in table(20).items() if name != "label"}, "none of the targets"),
        ({}, {"x": [1, 2], "label": ["low", "high"]}, "none of the columns"),
        ({"target": "a"}, table(20), "can't be an input"),
        ({"ignore": ["nothing"]}, table(20), "no column 'nothing'"),
    ],
)  # fmt: skip
def test_what_can_not_be_gone_on_with_is_said(run, options, rows, match):
    with pytest.raises(ConfigError, match=match):
        sm.adapt(run, rows, **{"train": "heads", **options}, epochs=1, **QUICK)


def test_a_new_class_of_one_row_is_refused(run):
    rows = table(30)
    rows["label"][3] = "odd"
    with pytest.raises(DataError, match=r"fewer than 2 rows of 1 classes that are new \(odd\)"):
        sm.adapt(run, rows, train="heads", epochs=1, **QUICK)


def test_a_pretrained_run_needs_a_target():
    pretrained = sm.pretrain(table(), ignore=["label"], epochs=1, threads=1, precision="32")
    with pytest.raises(ConfigError, match="was pretrained, without a target"):
        sm.adapt(pretrained, table(), train="heads", epochs=1, **QUICK)
    adapted = sm.adapt(pretrained, table(), train="heads", target="label", epochs=1, **QUICK)
    assert set(adapted.predict(table(10))) <= {"low", "high"}
