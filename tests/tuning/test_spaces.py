"""What is tuned of a table: everything that is drawn can be fitted, what is written stays."""

import random

import pytest

from sensorium.config import ENCODERS, FUSIONS
from sensorium.data.table import read_table
from sensorium.errors import ConfigError
from sensorium.planning import plan
from sensorium.tuning.spaces import Space

ASKED = {"modalities": {"note": "text"}, "ignore": ["price", "tags"]}


@pytest.fixture(scope="module")
def rows(table):
    return read_table(table)


def spaced(rows, config=None, only=(), **more):
    chosen, _ = plan(rows, "label", config, **{**ASKED, **more})
    return chosen, Space(chosen, config or {}, only)


def drawing(seed):
    """Draws at random, as a trial does."""
    made = random.Random(seed)

    def ask(choice):
        if choice.values:
            return made.choice(choice.values)
        if isinstance(choice.low, int):
            return made.randint(choice.low, choice.high)
        return made.uniform(choice.low, choice.high)

    return ask


def names(space):
    return {choice.name for choice in space.choices}


def test_the_default_of_every_choice_is_what_a_fit_takes(rows):
    chosen, space = spaced(rows)
    data = space.draw(lambda choice: choice.default)
    assert plan(rows, None, data, **ASKED)[0] == chosen
    assert set(space.defaults()) < names(space)  # those of other types come with these alone
    assert space.defaults()["fusion.type"] == chosen.fusion.type
    assert space.defaults()["training.learning_rate"] == chosen.training.learning_rate


def test_whatever_is_drawn_is_a_configuration(rows):
    chosen, space = spaced(rows)
    seen = {"fusion": set(), **{given.modality: set() for given in chosen.inputs.values()}}
    for seed in range(60):
        data = space.draw(drawing(seed))
        found = plan(rows, None, data, **ASKED)[0]
        assert found.inputs["photo"].encoder.type == data["inputs"]["photo"]["encoder"]["type"]
        seen["fusion"].add(found.fusion.type)
        assert found.fusion.width in {64, 128, 256}
        for given in found.inputs.values():
            seen[given.modality].add(given.encoder.type)
            if given.encoder.type == "vit":
                assert all(side % given.encoder.patch_size == 0 for side in given.size)
            if given.modality == "video":  # spans of motion are not pictures
                assert given.frames == (32 if given.encoder.type == "motion" else 16)
        # What counts, and which rows validate, is the same in all.
        for name in ("imbalance", "balance", "split", "domain", "limits"):
            assert getattr(found, name) == getattr(chosen, name)
        assert found.training.seed == chosen.training.seed
        assert found.training.valid_share == chosen.training.valid_share
        assert found.targets["label"].label_smoothing == chosen.targets["label"].label_smoothing
    special = {"auto", "pretrained"}
    assert seen["fusion"] == set(FUSIONS) - {"plain_concat"}
    assert seen["image"] == set(ENCODERS["image"]) - special - {"flat_cnn"}
    assert seen["text"] == set(ENCODERS["text"]) - special
    assert seen["audio"] == set(ENCODERS["audio"]) - special
    assert {"cnn3d", "frames"} <= seen["video"] <= set(ENCODERS["video"]) - special


def test_what_is_written_stays(rows):
    config = {
        "inputs": {
            "photo": {"modality": "image", "size": 24, "encoder": {"type": "cnn", "channels": [4, 8]}},
            "note": {"modality": "text", "encoder": {"dropout": 0.4}},
            "call": {"modality": "audio", "encoder": "mfcc_rnn"},
        },
        "fusion": {"width": 32},
        "training": {"learning_rate": 0.01, "epochs": 3},
        "targets": {"label": {"dropout": 0.2}},
    }
    _, space = spaced(rows, config)
    fusions, texts = set(), set()
    for seed in range(40):
        data = space.draw(drawing(seed))
        photo, note, call = (data["inputs"][name] for name in ("photo", "note", "call"))
        assert (photo["size"], photo["encoder"]["type"], photo["encoder"]["channels"]) == (24, "cnn", [4, 8])
        assert (note["encoder"]["dropout"], call["encoder"]["type"]) == (0.4, "mfcc_rnn")
        assert (data["fusion"]["width"], data["training"]["learning_rate"]) == (32, 0.01)
        assert (data["training"]["epochs"], data["targets"]["label"]["dropout"]) == (3, 0.2)
        fusions.add(data["fusion"]["type"])
        texts.add(note["encoder"]["type"])
        found = plan(rows, None, data, **ASKED)[0]
        assert found.fusion.width == 32
    assert len(fusions) > 8
    assert texts == {"bag", "rnn", "transformer"}


def test_a_fusion_that_is_named_alone_keeps_its_other_options_open(rows):
    _, space = spaced(rows, {"fusion": "attention"})
    assert {name for name in names(space) if name.startswith("fusion")} == {
        "fusion.width", "fusion.attention.layers", "fusion.attention.dropout",
    }  # fmt: skip


def test_only_what_is_named_is_chosen_written_or_not(rows):
    config = {"fusion": {"type": "gated", "width": 32, "dropout": 0.3}, "training": {"learning_rate": 0.002}}
    _, space = spaced(rows, config, ["fusion.type", "training.learning_rate"])
    assert names(space) == {"fusion.type", "training.learning_rate"}
    data = space.draw(lambda choice: "late" if choice.name == "fusion.type" else 0.004)
    assert data["fusion"] == {"type": "late", "width": 32, "dropout": 0.3}
    assert data["training"] == space.base["training"] | {"learning_rate": 0.004}
    assert data["inputs"] == space.base["inputs"]
    _, space = spaced(rows, config, ["inputs.photo"])
    assert {name.split(".encoder")[0] for name in names(space)} == {"inputs.photo"}


def test_inputs_of_one_modality_are_chosen_as_one():
    table = {"first": ["a b", "c d"] * 5, "second": ["e f g", "h i j"] * 5, "third": ["k l", "m n"] * 5}
    table["label"] = ["x", "y"] * 5
    asked = {"modalities": dict.fromkeys(("first", "second", "third"), "text")}
    config = {
        "inputs": {"first": {}, "second": {}, "third": {"encoder": {"type": "rnn"}}},
    }
    rows = read_table(table)
    chosen, _ = plan(rows, "label", config, **asked)
    space = Space(chosen, config)
    kinds = {choice.name for choice in space.choices if choice.name.endswith("encoder.type")}
    assert kinds == {"inputs.first+second.encoder.type"}
    data = space.draw(lambda choice: "transformer" if choice.name in kinds else choice.default)
    assert [data["inputs"][name]["encoder"]["type"] for name in data["inputs"]] == ["transformer", "transformer", "rnn"]


def test_one_input_has_nothing_to_be_fused_with_or_hidden_beside(rows):
    _, space = spaced(rows, {"inputs": {"pose": {}}})
    assert "fusion.type" not in names(space)
    assert {"training.modality_dropout", "training.augment"}.isdisjoint(names(space))
    assert {"fusion.width", "training.learning_rate", "targets.dropout"} <= names(space)


def test_types_that_must_be_asked_for_are_there_where_the_configuration_has_them(rows):
    _, space = spaced(rows, {"inputs": {"photo": {"modality": "image", "encoder": "flat_cnn"}}}, ["inputs.photo"])
    (kind,) = (choice for choice in space.choices if choice.name.endswith("encoder.type"))
    assert set(kind.values) == {"cnn", "flat_cnn", "resnet", "vit"}


def test_weight_decay_of_none_is_left(rows):
    _, space = spaced(rows, {"training": {"weight_decay": 0}}, ["training"])
    assert "training.weight_decay" not in names(space)
    assert "training.learning_rate" in names(space)


def test_a_path_that_is_nothing_is_an_error(rows):
    with pytest.raises(
        ConfigError, match=r"only: 'fusion\.typ' is nothing that can be tuned\. Did you mean 'fusion\.type'"
    ):
        spaced(rows, None, ["fusion.typ"])
    with pytest.raises(ConfigError, match=r"only: 'fusion\.gated' is nothing that can be tuned"):
        spaced(rows, None, ["fusion.type", "fusion.gated"])
    with pytest.raises(ConfigError, match=r"only: 'inputs\.photo\.encoder\.num_heads' is nothing that can be tuned"):
        spaced(rows, {"inputs": {"photo": {"encoder": "vit"}}}, ["inputs.photo.encoder.num_heads"])


def test_with_everything_written_there_is_nothing_to_tune(rows):
    chosen, space = spaced(rows, {"inputs": {"pose": {}}})
    with pytest.raises(ConfigError, match="there is nothing to tune: the configuration writes every option"):
        Space(chosen, space.base)
