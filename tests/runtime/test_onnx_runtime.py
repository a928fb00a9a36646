"""Rows as an exported graph reads them; `tests/export/test_onnx.py` has whole graphs."""

import importlib

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from sensorium.errors import ConfigError, DataError
from sensorium.runtime.inputs import KINDS, GraphInput, restore_reader
from sensorium.runtime.predictor import OnnxPredictor

PHOTO = {
    "kind": "image", "values": "photo", "mask": "photo.mask", "least": 0,
    "state": {"column": "photo", "bag": 2, "size": [8, 8]},
    "limits": {"max_pixels": 10_000, "max_seconds": 60.0, "max_bytes": 10**6},
}  # fmt: skip
SOUND = {
    "kind": "audio", "values": "call", "mask": "call.mask", "least": 400,
    "state": {"column": "call", "bag": 1, "sample_rate": 8000, "seconds": None},
    "limits": {"max_pixels": 10_000, "max_seconds": 60.0, "max_bytes": 10**6},
}  # fmt: skip
AGE = {
    "kind": "tabular", "values": "columns", "mask": "columns.mask", "least": 0,
    "state": {"kinds": {"age": "numeric", "shop": "categorical"}, "mean": [40.0], "scale": [10.0],
              "categories": {"shop": ["north", "south"]}, "day_first": []},
}  # fmt: skip


class Session:
    """Says for each row its standardised age, so that the order of rows can be told."""

    def __init__(self):
        self.sizes = []

    def run(self, names, feed):
        ages = feed["columns"][:, 0]
        self.sizes.append(len(ages))
        shares = 1 / (1 + np.exp(-ages))
        found = {
            "label": np.stack([1 - shares, shares], 1),
            "price": 10 * ages,
            "tags": np.stack([shares, 1 - shares], 1),
        }
        return [found[name] for name in names]


def predictor(*targets):
    outputs = {
        "label": {"task": "binary", "classes": ["no", "yes"], "offsets": []},
        "price": {"task": "regression", "classes": [], "offsets": []},
        "tags": {"task": "multilabel", "classes": ["a", "b"], "offsets": []},
    }
    return OnnxPredictor(Session(), {"inputs": {"columns": AGE}, "outputs": {name: outputs[name] for name in targets}})


def test_rows_come_as_dicts_or_as_columns():
    rows = [{"age": "50"}, {"age": 20, "shop": "north"}, {"age": None}]
    model = predictor("label")
    want = 1 / (1 + np.exp(-np.array([1.0, -2.0, 0.0])))
    for given in (rows, pd.DataFrame(rows), {"age": ["50", 20, float("nan")], "shop": [None, "north", None]}):
        np.testing.assert_allclose(model.predict_proba(given)[:, 1], want, rtol=1e-6)
    assert model.predict(rows) == ["yes", "no", "no"]
    assert model.classes == ["no", "yes"]
    assert model.predict([]) == []


def test_many_rows_are_asked_in_parts_and_keep_their_order():
    model = predictor("price")
    found = model.predict({"age": list(range(70))})
    np.testing.assert_allclose(found, np.arange(70) - 40, atol=1e-5)
    assert model.session.sizes == [32, 32, 6]


def test_several_targets_are_told_by_name():
    model = predictor("label", "price", "tags")
    assert model.predict([{"age": 60}]) == {"label": ["yes"], "price": [20.0], "tags": ["a"]}
    assert list(model.predict_proba([{"age": 60}])) == ["label", "tags"]
    assert model.classes == {"label": ["no", "yes"], "tags": ["a", "b"]}
    with pytest.raises(ConfigError, match="targets price are numbers and have no probabilities; use predict"):
        predictor("price").predict_proba([{"age": 60}])


def test_offsets_change_answers_and_no_probability():
    outputs = {"label": {"task": "binary", "classes": ["no", "yes"], "offsets": [0.0, 5.0]}}
    model = OnnxPredictor(Session(), {"inputs": {"columns": AGE}, "outputs": outputs})
    assert model.predict_proba([{"age": 20}])[0].argmax() == 0
    assert model.predict([{"age": 20}]) == ["yes"]


def test_columns_that_are_not_there():
    said = []
    predictor("label").predict([{"age": 30}], say=said.append)
    assert said == ["the rows lack the columns shop; they count as missing."]
    with pytest.raises(DataError, match=r"have none of the columns that the model reads: age, shop\. They have: year"):
        predictor("label").predict([{"year": 3}])
    with pytest.raises(DataError, match="columns must have as many cells each; got 1, 2"):
        predictor("label").predict({"age": [3], "shop": ["a", "b"]})


def read(told, cells, root):
    notes = []
    arrays = GraphInput(told).read([[cell] for cell in cells], root, lambda *note: notes.append(note))
    return arrays, notes


def test_files_that_cant_be_read_are_missing_and_noted(tmp_path):
    Image.new("RGB", (10, 10), (255, 0, 0)).save(tmp_path / "red.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    cells = ["red.png", "bad.png", "gone.png|red.png", "http://a/b.png", "", "red.png|red.png|red.png"]
    arrays, notes = read(PHOTO, cells, tmp_path)
    assert arrays["photo"].shape == (6, 2, 3, 8, 8)
    assert arrays["photo.mask"].tolist() == [[1, 0], [0, 0], [1, 0], [0, 0], [0, 0], [1, 1]]
    assert arrays["photo"][0, 0, :, 4, 4].tolist() == [255, 0, 0]
    assert [(place, kind) for place, kind, _ in notes] == [(1, "broken"), (2, "broken"), (3, "broken"), (5, "cut")]
    assert notes[1][2] == "cannot read gone.png as image: no such file"
    assert notes[2][2] == "cannot read http://a/b.png as image: it is a URL; only local files are read"
    assert notes[3][2] == "it names 3 files, and at most 2 were in a training row"


def test_a_recording_is_as_long_as_the_graph_takes(tmp_path):
    wave = np.full(100, 0.5, dtype=np.float32)
    soundfile.write(tmp_path / "short.wav", wave, 8000, subtype="FLOAT")
    arrays, notes = read(SOUND, ["short.wav", None], tmp_path)
    assert not notes
    assert arrays["call"].shape == arrays["call.mask"].shape == (2, 400)
    assert arrays["call.mask"].sum(1).tolist() == [100, 0]
    np.testing.assert_array_equal(arrays["call"][0, :100], wave)


def test_every_kind_has_its_reader():
    assert sorted(KINDS) == ["audio", "image", "motion", "tabular", "text", "vector", "video"]
    for kind, (home, name) in KINDS.items():
        assert getattr(importlib.import_module(home), name).modality == kind
    with pytest.raises(DataError, match=r"unknown kind of input 'imge'\. Did you mean 'image'\?"):
        restore_reader({"kind": "imge"})
