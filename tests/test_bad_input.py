"""What happens with bad input: one test for each row of the table in the design."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import sensorium as sm
from sensorium.errors import ConfigError, DataError, TrainingError


@pytest.fixture
def rows(table):
    return pd.read_csv(table, dtype=str, keep_default_na=False)


@pytest.fixture
def never_decoded(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("something was decoded")

    monkeypatch.setattr("sensorium.media.loader.MediaLoader.begin", refuse)


def only(config, **inputs):
    return {**config, "inputs": inputs}


def test_a_file_that_cannot_be_read_is_missing_from_its_row_alone(rows, table, config, tmp_path):
    whole = (table.parent / "p1.png").read_bytes()
    files = {"gone.png": None, "empty.png": b"", "cut.png": whole[: len(whole) // 2], "other.png": b"RIFF0000WAVEfmt "}
    for name, content in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    rows["photo"] = [str(table.parent / name) if name else "" for name in rows["photo"]]
    for row, name in zip((1, 2, 3, 4), files, strict=True):
        rows.loc[row, "photo"] = str(tmp_path / name)
    given = only(config, photo={"modality": "image", "size": 16}, pose={})
    said = []
    predictor = sm.fit(rows, "label", config=given, say=said.append)
    found = predictor.found
    assert list(found["row"]) == [2, 3, 4, 5]
    assert [r.split(": ")[-1] for r in found["reason"]] == [
        "no such file", "the file is empty", "the file ends early", "it is not an image (looks like audio)",
    ]  # fmt: skip
    assert any("column 'photo': 4 rows without it, as missing, the first in row 2" in line for line in said)
    broken = predictor.predict_proba(rows).to_numpy()
    rows.loc[[1, 2, 3, 4], "photo"] = ""
    np.testing.assert_allclose(predictor.predict_proba(rows).to_numpy(), broken, atol=1e-6)
    rows.loc[2, "photo"] = str(tmp_path / "empty.png")
    with pytest.raises(DataError, match=r"row 3, column 'photo': cannot read .*empty.png as image: the file is empty"):
        sm.fit(rows, "label", config=given, strict=True)


def test_a_picture_of_a_thousand_million_pixels_is_not_decoded(rows, table, config, tmp_path):
    head = bytearray((table.parent / "p1.png").read_bytes())
    head[16:24] = (40000).to_bytes(4, "big") * 2
    import zlib

    head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4, "big")
    (tmp_path / "huge.png").write_bytes(head)
    rows["photo"] = [str(table.parent / name) if name else "" for name in rows["photo"]]
    rows.loc[1, "photo"] = str(tmp_path / "huge.png")
    predictor = sm.fit(rows, "label", config=only(config, photo={"modality": "image", "size": 16}))
    assert "40000x40000 pixels are over the limit of 200000000" in predictor.found["reason"][0]


def test_rows_without_a_target_are_left_out_and_listed(rows, config):
    rows.loc[[3, 4], "label"] = ""
    predictor = sm.fit(rows, "label", config=only(config, pose={}))
    assert sum(predictor.run["rows"].values()) == 38
    assert list(predictor.found["row"]) == [4, 5]
    assert set(predictor.found["kind"]) == {"no target"}


@pytest.mark.usefixtures("never_decoded")
def test_what_cannot_be_learned_is_said_before_anything_is_decoded(rows, table, config):
    given = only(config, photo={"modality": "image", "size": 16})

    def learn(rows, target="label"):
        return sm.fit(rows, target, media_root=table.parent, config=given)

    with pytest.raises(DataError, match=r"target 'label' has one class only \('yes', 40 rows\)"):
        learn(rows.assign(label="yes"))
    with pytest.raises(DataError, match=r"fewer than 2 rows of 1 classes \(rare\)"):
        learn(rows.assign(label=["rare", *rows["label"][1:]]))
    with pytest.raises(ConfigError, match=r"has no column 'lable' to be the target. Did you mean 'label'\?"):
        learn(rows, "lable")
    with pytest.raises(ConfigError, match="no column to learn from"):
        sm.fit(pd.DataFrame({"a": [""] * 20, "label": ["x", "y"] * 10}), "label")
    with pytest.raises(ConfigError, match=r"inputs.photo: column 'photo' is a target"):
        learn(rows, "photo")


def test_all_inputs_unreadable_is_an_error(rows, config):
    with pytest.raises(DataError, match=r"all inputs are missing or can't be read in every row looked at"):
        sm.fit(rows, "label", media_root="nowhere", config=only(config, photo={"modality": "image", "size": 16}))


def test_a_column_absent_at_prediction_counts_as_missing_with_one_warning(rows, table, run):
    predictor, said = sm.load(run), []
    without = predictor.predict_proba(rows.drop(columns="note"), media_root=table.parent, say=said.append)
    assert [line for line in said if "lacks" in line] == ["the table lacks the columns note; they count as missing."]
    empty = predictor.predict_proba(rows.assign(note=""), media_root=table.parent)
    np.testing.assert_allclose(without, empty, atol=1e-6)
    with pytest.raises(DataError, match="has none of the columns that the model reads"):
        predictor.predict(pd.DataFrame({"other": ["x"]}))


def test_a_column_of_another_type_at_prediction_is_an_error(rows, table, run):
    with pytest.raises(DataError, match="column 'age': must be numbers, as in training; got 'middle-aged'"):
        sm.load(run).predict(rows.assign(age="middle-aged"), media_root=table.parent)


def test_a_category_never_seen_is_unknown_and_not_missing(rows, table, run):
    predictor = sm.load(run)
    one, two, none = (
        predictor.predict_proba(rows.assign(shop=s), media_root=table.parent) for s in ("mars", "moon", "")
    )
    np.testing.assert_allclose(one, two)
    assert not np.allclose(one, none)


class Breaks(nn.Module):
    """An encoder that gives NaN from its 8th training batch on."""

    mask_dims = 1

    def __init__(self, width: int = 128, good: int = 7):
        super().__init__()
        self.width, self.linear, self.good, self.seen = width, nn.Linear(3, width), good, 0

    def forward(self, values, mask):
        from sensorium.encoders.features import Features

        self.seen += self.training and len(values) > 1
        tokens = self.linear(values.float())[:, None]
        return Features(tokens * (torch.nan if self.training and self.seen > self.good else 1.0), mask[:, None])


@pytest.fixture
def breaks():
    from sensorium import encoders

    encoders.add("vector", "breaks", Breaks)
    yield
    encoders.ENCODERS["vector"].pop("breaks")


@pytest.mark.usefixtures("breaks")
def test_a_loss_that_is_not_finite_stops_training_and_keeps_the_last_good_weights(rows, config):
    given = only(config, pose={"encoder": {"type": "breaks"}})
    predictor = sm.fit(rows, "label", config=given, epochs=5)  # 5 steps an epoch: the first epoch is good
    assert predictor.metrics["stopped"] == "the loss was not finite"
    assert len(predictor.history) == 1
    assert "the encoder of input 'pose' gives values that are not finite" in predictor.metrics["warnings"][0]
    assert all(torch.isfinite(p).all() for p in predictor.model.parameters())
    with pytest.raises(TrainingError, match=r"the loss is nan at step 0 \(epoch 1\); the encoder of input 'pose'"):
        sm.fit(rows, "label", config=only(config, pose={"encoder": {"type": "breaks", "good": 0}}))


def test_constant_predictions_and_fusion_that_does_not_win_are_said(rows, config):
    random = np.random.default_rng(0)
    table = {
        "a": random.normal(size=(200, 3)),
        "b": random.normal(size=(200, 3)),
        "label": np.where(np.arange(200) % 5 == 0, "rare", "usual"),
    }
    predictor = sm.fit(table, "label", epochs=1, learning_rate=1e-9, settings=["targets.label.class_weights=none"])
    warnings = " ".join(predictor.metrics["warnings"])
    assert "is no better than always the same answer" in warnings or "the answer is the same" in warnings
