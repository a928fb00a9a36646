"""Configuration and schema to readers and modules: what is filled in, what sizes come out, what is refused."""

import copy
import re

import numpy as np
import pandas as pd
import pytest
import torch

from sensorium import encoders, fusion, heads
from sensorium.build import build_model, build_readers, restore_readers
from sensorium.completion import complete
from sensorium.config import parse_config
from sensorium.data.batches import Rows
from sensorium.data.schema import Column, Schema
from sensorium.data.table import read_table
from sensorium.data.targets import fit_target
from sensorium.errors import ConfigError
from sensorium.pretrained.shipped import suited

COLUMNS = {
    "photo": ("image", {"size": [480, 640]}),
    "note": ("text", {"characters": 50.0, "most_characters": 90}),
    "call": ("audio", {"sample_rate": 44100.0, "seconds": 2.0, "most_seconds": 5.0}),
    "clip": ("video", {"size": [20, 20], "seconds": 2.0}),
    "pose": ("vector", {}),
    "age": ("numeric", {}),
    "shop": ("categorical", {}),
    "open": ("boolean", {}),
    "day": ("date", {}),
    "key": ("identifier", {}),
    "empty": ("ignored", {}),
    "label": ("boolean", {}),
}


def table_of(rows):
    return read_table(pd.DataFrame({name: ["yes", "no"] * (rows // 2) for name in COLUMNS}))


def schema_of(table, bag=1, **changed):
    columns = {**COLUMNS, **changed}
    return Schema(
        {n: Column(n, m, "", bag=bag if m == "image" else 1, facts=facts) for n, (m, facts) in columns.items()},
        len(table),
    )


def completed(data, rows=100, targets=("label",), **changed):
    table = table_of(rows)
    return complete(data, schema_of(table, **changed), table, list(targets))


def refused(data, **options):
    with pytest.raises(ConfigError) as error:
        completed(data, **options)
    return str(error.value)


def test_every_usable_column_becomes_an_input():
    inputs = completed({})["inputs"]
    assert {name: given["modality"] for name, given in inputs.items()} == {
        "photo": "image", "note": "text", "call": "audio", "clip": "video", "pose": "vector", "columns": "tabular",
    }  # fmt: skip
    assert inputs["columns"]["columns"] == ["age", "shop", "open", "day"]


def test_what_names_the_domain_is_no_input():
    assert completed({"domain": "shop"})["domain"] == {"column": "shop"}
    assert completed({"domain": "shop"})["inputs"]["columns"]["columns"] == ["age", "open", "day"]
    assert "shop" in completed({"domain": None})["inputs"]["columns"]["columns"]


def test_the_input_of_value_columns_gets_a_name_of_its_own():
    inputs = completed({}, columns=("text", {}))["inputs"]
    assert inputs["columns"]["modality"] == "text"
    assert inputs["columns_"] == {"modality": "tabular", "columns": ["age", "shop", "open", "day"]}


@pytest.mark.parametrize(
    ("rows", "batch", "epochs"),
    [
        (40, 8, 40), (298, 8, 40), (300, 16, 40), (998, 16, 40), (1000, 32, 40), (9998, 32, 8), (10_000, 64, 16),
        (49_998, 64, 5), (50_000, 128, 6), (200_000, 128, 5),
    ],
)  # fmt: skip
def test_batches_and_epochs_by_the_tables_size(rows, batch, epochs):
    training = completed({"inputs": {"pose": {}}}, rows)["training"]
    assert (training["batch_size"], training["epochs"]) == (batch, epochs)
    assert (training["learning_rate"], training["patience"]) == (1e-3, 10)


def test_what_is_written_of_the_training_stays_and_epochs_follow_the_batch():
    training = completed({"training": {"batch_size": 500, "patience": 2, "epochs": None}}, 10_000)["training"]
    assert (training["batch_size"], training["patience"], training["epochs"]) == (500, 2, 40)
    assert completed({"training": {"batch_size": 10}}, 10_000)["training"]["epochs"] == 5  # of 1,000 steps
    assert completed({"training": {"epochs": 3}}, 10_000)["training"]["epochs"] == 3


@pytest.mark.parametrize(("rows", "kind"), [(4998, "bag"), (5000, "transformer")])
def test_a_texts_encoder_by_the_tables_size(rows, kind):
    assert completed({}, rows)["inputs"]["note"]["encoder"] == {"type": kind}
    written = completed({"inputs": {"note": {"encoder": "rnn"}}}, rows)
    assert written["inputs"]["note"] == {"modality": "text", "encoder": "rnn"}


@pytest.mark.parametrize(
    ("facts", "rate", "seconds"),
    [
        ({"sample_rate": 44100.0, "most_seconds": 5.0}, 16000, 6.0),
        ({"sample_rate": 11025.0, "most_seconds": 100.0}, 11025, 30.0),
        ({"sample_rate": 4000.0, "most_seconds": 0.01}, 8000, 0.1),
        ({}, 16000, 30.0),
    ],
)
def test_a_recordings_rate_and_length_follow_the_files(facts, rate, seconds):
    given = completed({}, call=("audio", facts))["inputs"]["call"]
    assert given == {"modality": "audio", "sample_rate": rate, "seconds": seconds}


@pytest.mark.parametrize(
    ("found", "rows", "expected"),
    [
        ([480, 640], 100, [64, 88]),
        ([640, 480], 100, [88, 64]),
        ([480, 640], 20_000, [96, 128]),
        ([100, 1000], 100, [16, 96]),
        ([20, 20], 100, [20, 20]),
        ([10, 10], 100, [16, 16]),
        ([64, 64], 20_000, [64, 64]),
        (None, 100, [64, 64]),
    ],
)
def test_a_pictures_size_follows_the_files(found, rows, expected):
    facts = {"size": found} if found else {}
    assert completed({}, rows, photo=("image", facts))["inputs"]["photo"]["size"] == expected


def test_the_defaults_size_keeps_near_the_pictures_shape_and_within_the_limits():
    random = np.random.default_rng(0)
    for height, width in random.integers(64, 3000, (200, 2)).tolist():
        low, high = sorted(completed({}, 2, clip=("video", {"size": [height, width]}))["inputs"]["clip"]["size"])
        assert low <= 64
        assert high <= 96
        ratio = max(height, width) / min(height, width)
        if ratio < 3:
            assert abs(np.log(high / low / ratio)) < 0.2


@pytest.mark.parametrize("vit", ["vit", {"type": "vit"}, {"type": "vit", "patch_size": 7}])
def test_a_patch_divides_the_default_size(vit):
    for size in ([20, 20], [480, 640], [9, 200]):
        given = completed({"inputs": {"photo": {"encoder": vit}}}, photo=("image", {"size": size}))
        patch = vit.get("patch_size", 8) if isinstance(vit, dict) else 8
        assert [side % patch for side in given["inputs"]["photo"]["size"]] == [0, 0]


def test_written_inputs_are_the_only_ones_and_stay_as_they_are():
    data = {
        "inputs": {
            "photo": None,
            "small": {"column": "photo", "size": 16},
            "sound": {"column": "clip", "modality": "audio", "seconds": 1.5},
            "pose": {"column": None},
            "some": {"columns": ["age", "day"]},
            "shop": {},
        }
    }
    inputs = completed(data)["inputs"]
    assert inputs == {
        "photo": {"modality": "image", "size": [64, 88]},
        "small": {"modality": "image", "column": "photo", "size": 16},
        "sound": {"modality": "audio", "column": "clip", "seconds": 1.5, "sample_rate": 16000},
        "pose": {"modality": "vector", "column": None},
        "some": {"modality": "tabular", "columns": ["age", "day"]},
        "shop": {"modality": "categorical"},
    }


def test_targets_come_from_the_call_and_the_configuration():
    data = {"targets": {"shop": None, "age": {"task": "regression", "weight": 2}}}
    assert completed(data)["targets"] == {
        "shop": {"task": "classification"},
        "age": {"task": "regression", "weight": 2},
        "label": {"task": "classification"},
    }
    inputs = completed(data)["inputs"]
    assert inputs["columns"]["columns"] == ["open", "day"]


def test_completing_twice_changes_nothing_and_the_callers_data_stay():
    data = {"inputs": {"photo": {"encoder": {"type": "cnn"}}}, "fusion": {"type": "mean"}, "targets": {"label": {}}}
    before = copy.deepcopy(data)
    once = completed(data)
    assert completed(once) == once
    once["inputs"]["photo"]["encoder"]["type"] = once["fusion"]["type"] = "other"
    once["targets"]["label"]["weight"] = 5
    assert data == before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inputs": {"x": {"modality": "image", "column": "phto"}}},
         "inputs.x: the table has no column 'phto'. Did you mean 'photo'? "
         "There are: age, call, clip, day, empty, key, label, note, open, photo, pose, shop."),
        ({"inputs": {"x": {"columns": ["age", "shp"]}}},
         "inputs.x: the table has no column 'shp'. Did you mean 'shop'?"),
        ({"inputs": {"label": {}}}, "inputs.label: column 'label' is a target; the answer can't be an input."),
        ({"inputs": {"x": {"columns": ["age", "label"]}}},
         "inputs.x: column 'label' is a target; the answer can't be an input."),
        ({"inputs": {"key": {}}}, "inputs.key.modality: is not given. There are: audio, boolean,"),
        ({"inputs": ["photo"]}, "inputs: must be a mapping from names to options; got ['photo']."),
        ({"inputs": {"photo": "cnn"}}, "inputs.photo: must be a mapping such as {modality: image}; got 'cnn'."),
        ({"domain": {"column": "shp"}}, "domain.column: the table has no column 'shp'. Did you mean 'shop'?"),
        ({"domain": "label"}, "domain.column: column 'label' is a target; the model must tell it. Take another column."),
        ({"domain": "shop", "inputs": {"x": {"columns": ["age", "shop"]}}},
         "inputs.x: column 'shop' is the domain; the model is to tell little of it, so it can't be an input."),
        ({"split": {"folds": "each"}}, "split.folds: each needs split.by: one value of that column is kept out at a time."),
        ({"targets": {"pric": {}}}, "the table has no column 'pric' to be the target. There are: age, call,"),
    ],
)  # fmt: skip
def test_what_cannot_be_completed_is_said(data, message):
    assert refused(data).startswith(message)


def test_no_target_and_no_input_are_said():
    assert refused({}, targets=()) == (
        "no target is given. Name one with --target. "
        "There are: photo, note, call, clip, pose, age, shop, open, day, key, empty, label."
    )
    nothing = dict.fromkeys(COLUMNS, ("ignored", {}))
    assert refused({}, **nothing) == (
        "the table has no column to learn from: beside the target all are empty, constant or identifiers. "
        "Say what a column is with --as COLUMN=MODALITY."
    )


ROWS = {
    "note": ["one fine day", "two dark nights"],
    "pose": [[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]],
    "age": ["40", "50"],
    "shop": ["north", "south"],
    "open": ["yes", "no"],
    "day": ["2024-01-05", "2024-02-05"],
}
WRITTEN = {
    "photo": {"size": 16, "encoder": {"type": "vit", "patch_size": 4, "layers": 1}},
    "note": {"vocabulary": 300, "max_tokens": 7, "encoder": {"type": "transformer", "layers": 1}},
    "call": {"sample_rate": 8000, "seconds": 2},
    "clip": {"size": [16, 24], "frames": 100, "encoder": {"type": "frames", "layers": 1}},
    "pose": {},
    "age": {},
    "shop": {},
    "open": {},
    "day": {},
    "columns": {"columns": ["age", "shop", "day"]},
}


def build(data, coders=None, bag=1):
    """Fitted readers and the model of a written configuration."""
    table = table_of(100)
    schema = schema_of(table, bag)
    targets = list(coders or {"label": None})
    config = parse_config(complete(data, schema, table, targets))
    readers = build_readers(config, schema)
    for reader in readers.values():
        reader.fit(list(zip(*[ROWS.get(column, ["", ""]) for column in reader.columns], strict=True)))
    coders = coders or {"label": fit_target("label", ["yes", "no"] * 9, "classification")}
    return config, readers, build_model(config, readers, coders)


def test_readers_get_what_is_configured():
    config, readers, _ = build({"inputs": WRITTEN, "limits": {"max_pixels": 1000}})
    assert {name: (reader.modality, reader.columns) for name, reader in readers.items()} == {
        "photo": ("image", ("photo",)), "note": ("text", ("note",)), "call": ("audio", ("call",)),
        "clip": ("video", ("clip",)), "pose": ("vector", ("pose",)), "age": ("tabular", ("age",)),
        "shop": ("tabular", ("shop",)), "open": ("tabular", ("open",)), "day": ("tabular", ("day",)),
        "columns": ("tabular", ("age", "shop", "day")),
    }  # fmt: skip
    assert readers["photo"].options == {"size": (16, 16)}
    assert readers["call"].options == {"sample_rate": 8000, "seconds": 2.0}
    assert readers["clip"].options == {"frames": 100, "size": (16, 24)}
    assert readers["note"].max_tokens == 7
    assert readers["note"].vocabulary <= 300
    assert readers["photo"].limits.max_pixels == 1000
    assert readers["columns"].kinds == {"age": "numeric", "shop": "categorical", "day": "date"}
    assert (readers["columns"].numeric, readers["columns"].sizes) == (8, (2,))  # a number and seven of a date
    states = {name: reader.state() for name, reader in readers.items()}
    restored = restore_readers(config, states)
    assert {name: (type(r), r.state()) for name, r in restored.items()} == {
        name: (type(r), states[name]) for name, r in readers.items()
    }
    assert restored["photo"].limits.max_pixels == 1000


@pytest.mark.parametrize(("kind", "longest"), [("bag", 4096), ("rnn", 512)])
def test_a_bag_of_words_reads_longer_texts(kind, longest):
    _, readers, _ = build({"inputs": {"note": {"encoder": kind}}})
    assert readers["note"].longest == longest


def test_encoders_get_the_sizes_of_their_data():
    _, readers, model = build({"inputs": WRITTEN, "fusion": {"type": "gated", "width": 24}})
    assert model.modalities == tuple(WRITTEN)
    assert {model.encoder(name).width for name in WRITTEN} == {24}
    assert model.encoder("photo").size == (16, 16)
    assert model.encoder("photo").patch.stride == (4, 4)
    assert model.encoder("pose").size == 3
    states = {name: dict(model.encoder(name).named_parameters()) for name in WRITTEN}
    words = [p for p in states["note"].values() if p.shape == (readers["note"].vocabulary, 24)]
    assert len(words) == 1
    assert {name: type(model.encoder(name)).__name__ for name in ("age", "shop", "open", "day", "columns")} == {
        "age": "Numeric", "shop": "Categorical", "open": "Categorical", "day": "Tabular", "columns": "Tabular",
    }  # fmt: skip
    frames = torch.zeros(1, 100, 3, 16, 24)
    assert model.encoder("clip")(frames, torch.ones(1, 100, dtype=torch.bool)).mask.all()
    for name in ("note", "pose", "age", "shop", "open", "day", "columns"):
        rows = Rows(read_table(ROWS), {name: readers[name]})
        tokens, real = model.encoder(name)(*next(rows.batches(2)).inputs[name][:2])
        assert tokens.shape[2] == 24
        assert real.any(1).all()


def test_several_files_in_a_cell_are_a_bag():
    _, readers, model = build({"inputs": {"photo": {"size": 16}, "pose": {}}}, bag=3)
    assert readers["photo"].bag == 3
    assert isinstance(model.encoder("photo"), encoders.Bag)
    assert not isinstance(model.encoder("pose"), encoders.Bag)


def test_heads_get_classes_and_weights():
    coders = {
        "label": fit_target("label", ["no"] * 16 + ["yes"] * 4, "classification"),
        "shop": fit_target("shop", ["a"] * 16 + ["b"] * 4 + ["c"] * 4, "classification"),
        "open": fit_target("open", [["x"], ["x", "y"]], "multilabel"),
        "age": fit_target("age", [1.0, 2.0], "regression"),
    }
    data = {"targets": {name: {"dropout": 0.25, "label_smoothing": 0.1} for name in coders}, "inputs": {"pose": {}}}
    _, _, model = build(data, coders)
    label, shop, several, number = (model.head(name) for name in coders)
    assert [type(h) for h in (label, shop, several, number)] == [
        heads.Binary, heads.Classification, heads.Multilabel, heads.Regression,
    ]  # fmt: skip
    # By the square root of the inverse frequency: sqrt(16/4) = 2.
    assert label.positive_weight.item() == pytest.approx(2)
    assert (shop.weights / shop.weights[0]).tolist() == pytest.approx([1, 2, 2])
    assert shop.label_smoothing == 0.1
    assert several.linear.out_features == 2
    assert {head.drop.p for head in (label, shop, several, number)} == {0.25}
    data["targets"]["label"]["class_weights"] = data["targets"]["shop"]["class_weights"] = "none"
    _, _, model = build(data, coders)
    assert model.head("label").positive_weight is None
    assert model.head("shop").weights is None


@pytest.mark.parametrize("kind", sorted(fusion.FUSIONS))
def test_every_fusion_is_built_as_wide_as_configured(kind):
    _, _, model = build({"inputs": {"pose": {}, "age": {}}, "fusion": {"type": kind, "width": 20}})
    assert type(model.fusion) is fusion.FUSIONS[kind]
    assert (model.fusion.width, model.head("label").width) == (20, 20)
    assert model.fusion.modalities == ("pose", "age")


@pytest.mark.parametrize(
    ("modality", "kind"), [(m, kind) for m, family in encoders.ENCODERS.items() for kind in family]
)
def test_every_encoder_is_built_with_its_default_options(modality, kind):
    name = {m: n for n, (m, _) in reversed(COLUMNS.items())}.get(modality, "columns")
    given = {"encoder": {"type": kind}, **({"columns": ["age", "shop"]} if modality == "tabular" else {})}
    if kind == "pretrained" and suited(modality) is None:
        with pytest.raises(ConfigError, match=rf"inputs.{name}.encoder: model must be given.*none is installed"):
            build({"inputs": {name: given}})
        return
    _, _, model = build({"inputs": {name: given}})
    assert type(model.encoder(name)) is encoders.ENCODERS[modality][kind]


def said(data, **options):
    with pytest.raises(ConfigError) as error:
        build(data, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inputs": {"x": {"columns": ["age", "note"]}}},
         "inputs.x: column 'note' must be one of numeric, categorical, boolean, date; it is text. "
         "Say --as note=categorical, or leave it out."),
        ({"inputs": {"pose": {}, "note": {"encoder": {"type": "transformer", "num_heads": 7}}}},
         "inputs.note.encoder: TextTransformer.width must be a multiple of num_heads (7); got 128. Try 126 or 133."),
        ({"inputs": {"photo": {"size": 20, "encoder": {"type": "vit"}}}},
         "inputs.photo.encoder: ImageViT.size"),
        ({"inputs": {"photo": {"size": 16, "encoder": {"channels": []}}}},
         "inputs.photo.encoder: ImageCNN.channels must be one or more whole numbers, each 1 or more; got ()."),
        ({"inputs": {"call": {"encoder": {"n_mfcc": 90}}}},
         "inputs.call.encoder: MFCC.n_mfcc must be at most n_mels (64); got 90."),
    ],
)  # fmt: skip
def test_sizes_that_do_not_go_together_are_said_by_their_path(data, message):
    assert said(data).startswith(message)


def test_a_part_of_somebody_elses_is_checked_against_its_class(monkeypatch):
    class Wide(fusion.Mean):
        def __init__(self, width=128, deep=1):
            super().__init__(width)
            self.deep = deep

    monkeypatch.setitem(fusion.FUSIONS, "wide", Wide)
    monkeypatch.setitem(encoders.ENCODERS["vector"], "mine", encoders.VectorDense)
    given = {"inputs": {"pose": {"encoder": {"type": "mine", "dropout": 0.5}}}, "fusion": {"type": "wide", "deep": 3}}
    config, readers, model = build(given)
    assert (model.fusion.deep, model.fusion.width) == (3, 128)
    assert said({**given, "fusion": {"type": "wide", "depe": 3}}) == (
        "fusion.depe: unknown key. Did you mean 'deep'? There are: deep, width."
    )
    assert said({"inputs": {"pose": {"encoder": {"type": "mine", "dropuot": 0.5}}}}) == (
        "inputs.pose.encoder.dropuot: unknown key. Did you mean 'dropout'? There are: dropout, size, width."
    )
    # A run that is loaded where nobody has added the parts it was made of:
    coders = {"label": fit_target("label", ["yes", "no"] * 9, "classification")}
    monkeypatch.delitem(fusion.FUSIONS, "wide")
    with pytest.raises(ConfigError, match=r"^fusion.type: unknown fusion 'wide'. There are: attention, "):
        build_model(config, readers, coders)
    monkeypatch.delitem(encoders.ENCODERS["vector"], "mine")
    known = ", ".join(sorted(encoders.ENCODERS["vector"]))
    message = f"inputs.pose.encoder.type: unknown encoder 'mine'. There are: {known}."
    with pytest.raises(ConfigError, match="^" + re.escape(message) + "$"):
        build_model(config, readers, coders)


@pytest.mark.parametrize(
    ("facts", "given", "encoder", "frames"),
    [
        ({"has_motion": True}, {}, "motion", 32),
        ({"has_motion": False}, {}, "frames", 16),
        ({}, {}, "frames", 16),
        ({"has_motion": True}, {"encoder": {"type": "cnn3d"}}, "cnn3d", 16),
        ({"has_motion": False}, {"encoder": {"type": "motion"}}, "motion", 32),
        ({"has_motion": True}, {"frames": 8}, "motion", 8),
    ],
)
def test_a_clip_is_read_by_its_motion_where_its_stream_has_some(facts, given, encoder, frames):
    inputs = {"clip": {"modality": "video", **given}}
    clip = parse_config(completed({"inputs": inputs}, clip=("video", {"size": [48, 64], **facts}))).inputs["clip"]
    assert (clip.encoder.type, clip.frames) == (encoder, frames)
