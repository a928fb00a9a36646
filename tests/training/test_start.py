"""A fit from another run: what is taken, what is new, what is refused, and that it helps."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import sensorium as sm
from sensorium.encoders import VectorDense
from sensorium.errors import ConfigError
from sensorium.fusion import Mean
from sensorium.heads import Regression
from sensorium.model import MultimodalModel
from sensorium.pretrained.lora import add_lora
from sensorium.training.start import Start

QUICK = {"precision": "32", "threads": 1, "probes": False, "wide": False}
PLAIN = {"balance": {"method": "none"}}
STILL = {**PLAIN, "training": {"learning_rate": 1e-12, "weight_decay": 0.0}}  # so that weights stay where they start


def rows(count, seed):
    """Two vectors of one hidden number in a tangle, and words."""
    random, fixed = np.random.default_rng(seed), np.random.default_rng(0)
    hidden = random.normal(size=(count, 6))
    tangle = np.sin(2.5 * hidden @ fixed.normal(size=(6, 24)))
    return pd.DataFrame(
        {
            "left": list(tangle[:, :12] + 0.1 * random.normal(size=(count, 12))),
            "right": list(hidden @ fixed.normal(size=(6, 8)) + 0.1 * random.normal(size=(count, 8))),
            "note": [f"row {i} says {'up and away' if h > 0 else 'down below'}" for i, h in enumerate(hidden[:, 0])],
            "age": hidden[:, 1] * 9 + 40,
            "shop": np.where(hidden[:, 2] > 0, "north", "south"),
            "label": np.where(hidden[:, 3] > 0, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pretrained"
    sm.pretrain(rows(120, 0), ignore=["label"], out=folder, epochs=2, **{k: QUICK[k] for k in ("precision", "threads")})
    return folder


def weights(model, name):
    return torch.cat([p.detach().flatten() for p in model.encoder(name).parameters()])


def test_encoders_readers_and_the_fusion_are_taken_and_said(pretrained):
    lines, run = [], sm.load(pretrained)
    # Another scale, other words: what the readers have learned must be the run's.
    new = rows(40, 1).assign(age=lambda r: r["age"] * 100, note="something else altogether")
    predictor = sm.fit(new, "label", start=pretrained, epochs=1, say=lines.append, config=STILL, **QUICK)
    assert lines[0] == f"taken from {pretrained}: 'left', 'right', 'note', 'columns', the fusion."
    names = ["left", "right", "note", "columns"]
    assert predictor.metrics["start"] == {"taken": [*names, "fusion"], "new": [], "left": []}
    assert list(predictor.readers) == names
    for name in predictor.readers:
        assert predictor.readers[name].state() == run.readers[name].state()
        torch.testing.assert_close(weights(predictor.model, name), weights(run.model, name), atol=1e-6, rtol=1e-5)
    own, theirs = predictor.model.fusion.state_dict(), run.model.fusion.state_dict()
    for key in theirs:
        torch.testing.assert_close(own[key], theirs[key], atol=1e-6, rtol=1e-5)


def test_inputs_that_the_run_lacks_are_new_and_those_that_the_table_lacks_are_left(pretrained):
    lines = []
    new = rows(40, 1).drop(columns=["right"]).assign(pose=list(np.random.default_rng(0).normal(size=(40, 3))))
    predictor = sm.fit(new, "label", start=pretrained, epochs=1, say=lines.append, config=PLAIN, **QUICK)
    assert list(predictor.readers) == ["left", "note", "columns", "pose"]
    assert lines[0] == (
        f"taken from {pretrained}: 'left', 'note', 'columns'. New: 'pose', the fusion. Not used: 'right'."
    )


def test_columns_that_are_not_all_there_are_a_new_input(pretrained):
    lines = []
    sm.fit(rows(40, 1), "shop", start=pretrained, epochs=1, say=lines.append, config=PLAIN, **QUICK)
    assert "New: 'columns_', the fusion. Not used: 'columns'." in lines[0]


def test_a_run_of_a_fit_is_started_from_too_and_saved(pretrained, tmp_path):
    first = sm.fit(rows(40, 1), "label", start=pretrained, epochs=1, config=PLAIN, **QUICK)
    lines = []
    second = sm.fit(
        rows(60, 2), "shop", ignore=["label", "age"], start=first, epochs=1, say=lines.append, config=STILL,
        out=tmp_path / "run", **QUICK,
    )  # fmt: skip
    assert lines[0] == "taken from the run: 'left', 'right', 'note'. New: the fusion. Not used: 'columns'."
    torch.testing.assert_close(weights(second.model, "left"), weights(first.model, "left"), atol=1e-6, rtol=1e-5)
    loaded = sm.load(tmp_path / "run")
    pd.testing.assert_frame_equal(loaded.predict_proba(rows(20, 3)), second.predict_proba(rows(20, 3)))


def test_folds_and_networks_of_one_input_start_from_it_too(pretrained):
    told = []
    config = {"balance": {"method": "auto"}, "training": {"modality_dropout": 0.0}}
    sm.fit(rows(40, 1), "label", start=pretrained, folds=2, epochs=1, say=told.append, config=config, **QUICK)
    assert [line for line in told if line.startswith("taken from")] == [
        f"taken from {pretrained}: 'left', 'right', 'note', 'columns', the fusion."
    ]


def test_an_encoder_with_adapters_takes_the_weights_that_they_adapt():
    torch.manual_seed(0)

    def network():
        return MultimodalModel({"pose": VectorDense(3, width=8, dropout=0)}, Mean(width=8), {"y": Regression(width=8)})

    theirs, ours = network(), network()
    add_lora(ours.encoder("pose"), rank=2, alpha=4.0, dropout=0.0, name="dense")
    told = Start(SimpleNamespace(model=theirs), "a run").apply(ours)
    assert told == {"taken": ["pose", "fusion"], "new": [], "left": []}
    given = {"pose": torch.randn(4, 3)}
    torch.testing.assert_close(ours.eval().fusion(ours.encode(given)), theirs.eval().fusion(theirs.encode(given)))


def test_options_of_the_run_are_the_defaults_and_others_may_be_set(pretrained):
    config = {**PLAIN, "inputs": {"left": {}, "words": {"column": "note"}}}
    lines = []
    predictor = sm.fit(rows(40, 1), "label", start=pretrained, epochs=1, config=config, say=lines.append, **QUICK)
    assert (
        lines[0] == f"taken from {pretrained}: 'left'. New: 'words', the fusion. Not used: 'right', 'note', 'columns'."
    )
    assert list(predictor.readers) == ["left", "words"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["fusion.width=64"], r"inputs.left: the encoder does not fit that of .*pretrained: .* is \(64\D.* here and \(128"),
        (["inputs.note.encoder={type: rnn}"], r"inputs.note: .*: it is TextRNN here and TextBag there. Leave out what is"),
        (["inputs.note.max_tokens=99"], r"inputs.note.max_tokens: must be \d+, as .*pretrained has learned it; got 99"),
        (["inputs.columns.columns=[age]"], r"inputs.columns must read age, shop, as in .*pretrained; got age\. Take another"),
        (["inputs.left.column=right"], r"inputs.left must read left, as in .*pretrained; got right\. Take another name"),
        (["inputs={pose: {column: left}}"], r"pretrained can't be started from: it reads left, .*the inputs are pose\."),
        (["inputs.note={modality: categorical}"], r"inputs.note.modality: must be text, as in .*; got categorical"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(pretrained, settings, message):
    with pytest.raises(ConfigError) as error:
        sm.fit(rows(40, 1), "label", start=pretrained, settings=settings, epochs=1, config=PLAIN, **QUICK)
    assert re.search(message, str(error.value)), str(error.value)
