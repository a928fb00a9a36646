"""Plain data to a checked configuration: every mistake at once, each in words; and back to YAML."""

import re

import pytest
import yaml

from sensorium import encoders, fusion
from sensorium.config import (
    ENCODERS,
    FUSIONS,
    INPUTS,
    Balance,
    Domain,
    Imbalance,
    Training,
    dump_config,
    member_config,
    parse_config,
    read_config,
    set_value,
)
from sensorium.config.encoders import Auto, ImageCNN
from sensorium.config.fusions import Gated
from sensorium.errors import ConfigError

MODALITIES = "There are: audio, boolean, categorical, date, image, numeric, tabular, text, vector, video."
EXTRA = {"tabular": {"columns": ["a", "b"]}}  # what an input of a modality can't do without


def mistakes(data):
    with pytest.raises(ConfigError) as error:
        parse_config(data)
    return str(error.value).split("\n")


def test_all_mistakes_are_reported_at_once_each_with_its_path():
    data = {
        "fusoin": {},
        "inputs": {
            "a": 3,
            "b": {},
            "c": {"modality": "imgae"},
            "d": {"modality": "text", "encoder": {"type": "rn"}},
            "e": {"modality": "tabular"},
            "f": {"modality": "text", "vocabulry": 400, "max_tokens": 0},
            "foto.1": {"modality": "image", "encoder": {"type": "cnn", "dropout": 1}},
        },
        "fusion": {"type": "gated", "width": "wide"},
        "targets": {"label": {"task": "clasification", "weight": 0}, "price": ["regression"]},
        "training": {"epoch": 3, "precision": "bf32", "augment": "perhaps"},
        "limits": 5,
    }
    assert mistakes(data) == [
        "fusoin: unknown key. Did you mean 'fusion'? There are: balance, domain, ensemble, fusion, imbalance, inputs, limits, pretraining, privacy, split, targets, training.",
        "inputs.a: must be a mapping such as {modality: image}; got 3.",
        f"inputs.b.modality: is not given. {MODALITIES}",
        f"inputs.c.modality: unknown modality 'imgae'. Did you mean 'image'? {MODALITIES}",
        "inputs.d.encoder.type: unknown encoder 'rn' for input 'd'. Did you mean 'rnn'? "
        f"There are: {', '.join(sorted({*encoders.ENCODERS['text'], 'auto'}))}.",
        "inputs.e.columns: must be given.",
        "inputs.f.max_tokens: must be greater than or equal to 1; got 0.",
        "inputs.f.vocabulry: unknown key. Did you mean 'vocabulary'? "
        "There are: column, encoder, max_tokens, modality, vocabulary.",
        "inputs.foto.1.encoder.dropout: must be less than 1; got 1.",
        "fusion.width: must be a valid integer, unable to parse string as an integer; got 'wide'.",
        "targets.label.task: unknown value 'clasification'. Did you mean 'classification'? "
        "There are: classification, generation, multilabel, regression.",
        "targets.label.weight: must be greater than 0; got 0.",
        "targets.price: must be a mapping of options; got ['regression'].",
        "training.augment: must be a valid boolean, unable to interpret input; got 'perhaps'.",
        "training.precision: unknown value 'bf32'. Did you mean '32'? There are: 32, auto, bf16.",
        f"training.epoch: unknown key. Did you mean 'epochs'? There are: {', '.join(sorted(Training.model_fields))}.",
        "limits: must be a mapping of options; got 5.",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inputs": [1]}, "inputs: must be a mapping from names to options; got [1]."),
        ({"targets": "label"}, "targets: must be a mapping from names to options; got 'label'."),
        ({"targets": {"label": 0}}, "targets.label: must be a mapping of options; got 0."),
        ({"training": []}, "training: must be a mapping of options; got []."),
        ({"fusion": None}, "fusion: must be a mapping such as {type: gated}; got None."),
        ({"fusion": {"type": ["mean"]}}, "fusion.type: must be a name such as gated; got ['mean']."),
        ({"inputs": {"x": {"modality": "audio", "encoder": 7}}},
         "inputs.x.encoder: must be a mapping such as {type: mfcc_cnn}; got 7."),
        ({"inputs": {"x": {"modality": "image", "encoder": {"type": {}}}}},
         "inputs.x.encoder.type: must be a name such as cnn; got {}."),
        ({"inputs": {"x": {"modality": "image", "encoder": {"channels": [8, "x"]}}}},
         "inputs.x.encoder.channels: must be a valid integer, unable to parse string as an integer; got 'x'."),
        ({"inputs": {"x": {"modality": "tabular", "columns": []}}},
         "inputs.x.columns: must be a list of 1 or more; got []."),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_said(data, message):
    assert mistakes(data) == [message]


def test_a_modality_that_is_no_name_is_unknown():
    assert mistakes({"inputs": {"x": {"modality": ["image"]}}}) == [
        f"inputs.x.modality: unknown modality '['image']'. Did you mean 'image'? {MODALITIES}"
    ]


@pytest.mark.parametrize("size", [0, -3, [8], [8, 0], [8, 8, 8], "big", 8.5, True])
def test_a_size_is_one_side_or_two_above_0(size):
    for modality in ("image", "video"):
        assert mistakes({"inputs": {"x": {"modality": modality, "size": size}}}) == [
            f"inputs.x.size: must be pixels, 1 or more: one side of a square, or [height, width]; got {size!r}."
        ]


def test_what_came_is_cut_in_the_message():
    (line,) = mistakes({"training": {"seed": "9" * 500 + "x"}})
    assert line.endswith("got '" + "9" * 79 + ".")


def test_nothing_written_is_a_default_configuration():
    config = parse_config({})
    assert (config.inputs, config.targets, config.fusion) == ({}, {}, Gated())
    assert parse_config({"inputs": None, "targets": {"label": None}, "training": None}).targets["label"].task is None


def test_a_name_alone_is_a_type():
    config = parse_config({"inputs": {"x": {"modality": "image", "encoder": "cnn"}}, "fusion": "mean"})
    assert config.inputs["x"].encoder == ImageCNN()
    assert config.fusion == FUSIONS["mean"]()
    assert parse_config({"inputs": {"x": {"modality": "image", "encoder": {"dropout": 0.5}}}}).inputs["x"].encoder == (
        ImageCNN(dropout=0.5)
    )


@pytest.mark.parametrize("modality", ["audio", "image", "text", "video"])
def test_what_is_installed_is_asked_for_of_every_kind_of_media(modality):
    assert parse_config({"inputs": {"x": {"modality": modality, "encoder": "auto"}}}).inputs["x"].encoder == Auto()


def test_a_method_alone_is_the_section_imbalance():
    config = parse_config({"imbalance": "focal"})
    assert config.imbalance == Imbalance(method="focal")
    assert parse_config({}).imbalance == Imbalance(method="class_weights")
    assert round_trip({"imbalance": {"method": "gan", "gan_steps": 7}}).imbalance.gan_steps == 7
    with pytest.raises(
        ConfigError, match=r"^imbalance.method: unknown value 'smote'. There are: auto, class_balanced, "
    ):
        parse_config({"imbalance": "smote"})
    with pytest.raises(ConfigError, match=r"^imbalance.gama: unknown key. Did you mean 'gamma'\?"):
        parse_config({"imbalance": {"gama": 1}})


def test_a_column_alone_is_the_section_domain():
    assert round_trip({"domain": "speaker"}).domain == Domain(column="speaker")
    assert parse_config({}).domain.column is None
    given = {"column": "camera", "method": "coral", "weight": 3.0}
    assert round_trip({"domain": given}).domain == Domain(**given)
    with pytest.raises(ConfigError, match=r"^domain.method: unknown value 'dan'. Did you mean 'dann'\? There are: coral, "):
        parse_config({"domain": {"column": "camera", "method": "dan"}})


def test_folds_are_a_number_or_each():
    assert round_trip({"split": {"by": "who", "folds": "each"}}).split.folds == "each"
    assert round_trip({"split": {"folds": 4}}).split.folds == 4
    with pytest.raises(ConfigError) as error:
        parse_config({"split": {"folds": "all"}})
    assert str(error.value) == (
        "split.folds: must be a valid integer, unable to parse string as an integer, or each; got 'all'."
    )


PHOTO = {"inputs": {"photo": {"modality": "image"}}}


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        (5, "ensemble: must be a mapping of options; got 5."),
        ({"member": []}, "ensemble.member: unknown key. Did you mean 'members'? There are: members."),
        ({"members": 3}, "ensemble.members: must be a list of mappings; got 3."),
        ({"members": [{}, 3]}, "ensemble.members.2: must be a mapping of options; got 3."),
        ({"members": [{"sed": 1}]},
         "ensemble.members.1.sed: unknown key. Did you mean 'seed'? There are: encoders, fusion, seed."),
        ({"members": [{"seed": -1}]}, "ensemble.members.1.seed: must be greater than or equal to 0; got -1."),
        ({"members": [{"fusion": {"width": 0}}]},
         "ensemble.members.1.fusion.width: must be greater than or equal to 1; got 0."),
        ({"members": [{"encoders": {"foto": "cnn"}}]},
         "ensemble.members.1.encoders.foto: there is no such input. Did you mean 'photo'? There are: photo."),
        ({"members": [{"encoders": {"photo": "pretrained"}}]},
         "ensemble.members.1.encoders.photo.type: must read the input as its own encoder (cnn) does; got pretrained, and "
         "pretrained reads in a way of its own. Leave it out."),
    ],
)  # fmt: skip
def test_mistakes_in_an_ensemble_are_told_with_their_member(ensemble, message):
    assert mistakes({**PHOTO, "ensemble": ensemble}) == [message]


def test_an_ensembles_members_come_back_from_yaml():
    members = [None, {"seed": 3, "fusion": "film", "encoders": {"photo": {"type": "resnet", "blocks": 1}}}]
    config = parse_config({**PHOTO, "ensemble": {"members": members}})
    assert parse_config(yaml.safe_load(dump_config(config))) == config
    second = member_config(config, 1)
    assert (second.training.seed, second.fusion.type, second.inputs["photo"].encoder.blocks) == (3, "film", 1)
    assert member_config(config, 0) == parse_config(PHOTO)
    assert "ensemble" not in yaml.safe_load(dump_config(parse_config(PHOTO)))


def test_a_method_alone_is_the_section_balance():
    assert parse_config({"balance": "auto"}).balance == Balance(method="auto")
    assert parse_config({}).balance == Balance(method="auto")
    assert round_trip({"balance": {"method": "ogm_ge", "alpha": 0.8}}).balance.alpha == 0.8
    with pytest.raises(
        ConfigError, match=r"^balance.method: unknown value 'ogm'. Did you mean 'ogm_ge'\? There are: auto, "
    ):
        parse_config({"balance": "ogm"})
    with pytest.raises(ConfigError, match=r"^balance.wieght: unknown key. Did you mean 'weight'\?"):
        parse_config({"balance": {"wieght": 1}})


def test_precision_32_may_be_written_as_a_number():
    assert parse_config(yaml.safe_load("training: {precision: 32}")).training.precision == "32"


def round_trip(data):
    config = parse_config(data)
    text = dump_config(config)
    assert parse_config(yaml.safe_load(text)) == config
    assert dump_config(parse_config(yaml.safe_load(text))) == text
    return config


@pytest.mark.parametrize(("modality", "kind"), [(m, kind) for m, family in ENCODERS.items() for kind in family])
def test_every_encoders_configuration_comes_back_from_yaml(modality, kind):
    given = {"modality": modality, "encoder": {"type": kind}, **EXTRA.get(modality, {})}
    config = round_trip({"inputs": {"x": given}})
    assert type(config.inputs["x"]) is INPUTS[modality]
    assert type(config.inputs["x"].encoder) is ENCODERS[modality][kind]


@pytest.mark.parametrize("kind", sorted(FUSIONS))
def test_every_fusions_configuration_comes_back_from_yaml(kind):
    assert type(round_trip({"fusion": {"type": kind, "width": 12}}).fusion) is FUSIONS[kind]


def test_what_is_written_and_odd_names_come_back_from_yaml():
    names = ["yes", "1", "null", "2020-01-01", "a: b", "照片", "foto.1", "two\nlines", "#", "'\""]
    data = {
        "inputs": {name: {"modality": "image", "column": name, "size": [32, 48]} for name in names},
        "targets": {name: {"task": "regression", "weight": 1e-7} for name in names},
        "training": {"learning_rate": 3e-5, "precision": "32", "time_limit": 60, "strict": True},
        "limits": {"max_seconds": 1.5},
    }
    config = round_trip(data)
    assert list(config.inputs) == list(config.targets) == names
    assert config.inputs["yes"].size == (32, 48)
    assert (config.training.learning_rate, config.limits.max_seconds) == (3e-5, 1.5)


def test_types_that_were_added_are_known_and_come_back_from_yaml():
    encoders.add("image", "mine", encoders.ImageCNN)
    fusion.add("my_mean", fusion.Mean)
    try:
        config = round_trip(
            {
                "inputs": {"x": {"modality": "image", "encoder": {"type": "mine", "sharp": [1, 2], 3: "x"}}},
                "fusion": {"type": "my_mean", "width": 8},
            }
        )
        assert config.inputs["x"].encoder.model_dump() == {"type": "mine", "sharp": [1, 2], "3": "x"}
        (line,) = mistakes({"fusion": "my_maen"})
        assert line.startswith("fusion.type: unknown fusion 'my_maen'. Did you mean 'my_mean'? There are: ")
    finally:
        encoders.ENCODERS["image"].pop("mine")
        fusion.FUSIONS.pop("my_mean")


def test_a_configuration_is_read_from_a_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("inputs:\n  照片: {modality: image}\n", encoding="utf-8")
    assert read_config(path) == {"inputs": {"照片": {"modality": "image"}}}
    path.write_text("# nothing yet\n")
    assert read_config(str(path)) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the configuration PATH: No such file or directory."),
        (b"a: [1", "PATH is not YAML: while parsing a flow sequence"),
        (b"a: \xff", "PATH is not YAML: 'utf-8' codec can't decode byte 0xff in position 3"),
        (b"- 1\n- 2", "PATH must be a mapping with keys such as 'inputs' and 'training'; got [1, 2]."),
        (b"a: !!python/object/apply:os.getcwd []", "PATH is not YAML: could not determine a constructor"),
    ],
)
def test_a_file_that_holds_no_configuration_is_an_error(tmp_path, content, message):
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="^" + re.escape(message.replace("PATH", str(path)))):
        read_config(path)


@pytest.mark.parametrize(
    ("data", "assignment", "expected"),
    [
        ({}, "training.epochs=5", {"training": {"epochs": 5}}),
        ({"training": None}, "training.augment=false", {"training": {"augment": False}}),
        ({"fusion": {"type": "mean"}}, "fusion.type=gated", {"fusion": {"type": "gated"}}),
        ({}, "inputs.x.size=[32, 48]", {"inputs": {"x": {"size": [32, 48]}}}),
        ({}, "inputs.x.column=a=b", {"inputs": {"x": {"column": "a=b"}}}),
        ({}, " training.epochs =", {"training": {"epochs": None}}),
        ({"inputs": {"foto.1": {}}}, "inputs.foto.1.size=8", {"inputs": {"foto.1": {"size": 8}}}),
        ({"inputs": {"a": {}, "a.b": {}, "a.b.c": {}}}, "inputs.a.b.c.d=1",
         {"inputs": {"a": {}, "a.b": {}, "a.b.c": {"d": 1}}}),
        ({"inputs": {"a.b": {}}}, "inputs.a.c=1", {"inputs": {"a.b": {}, "a": {"c": 1}}}),
        ({"targets": {"a.b": {}}}, "targets.a.b=null", {"targets": {"a.b": None}}),
    ],
)  # fmt: skip
def test_one_value_is_set_by_its_path(data, assignment, expected):
    set_value(data, assignment)
    assert data == expected


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.epochs", "--set must be key.path=value, such as training.epochs=5; got 'training.epochs'."),
        ("=5", "--set must be key.path=value, such as training.epochs=5; got '=5'."),
        ("fusion.type.x=5",
         "--set fusion.type.x=5: 'fusion.type.x' leads through a value that has no keys of its own."),
        ("training.epochs=[1", "--set training.epochs=[1: the value is not YAML."),
    ],
)  # fmt: skip
def test_an_assignment_that_cannot_be_done_is_an_error(assignment, message):
    data = {"fusion": {"type": "mean"}}
    with pytest.raises(ConfigError, match="^" + re.escape(message) + "$"):
        set_value(data, assignment)
