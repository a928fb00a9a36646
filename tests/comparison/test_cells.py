"""Which cells there are for a table, and which network each of them is."""

import pytest

from sensorium.comparison.cells import Cell, check_fusions, fusion_cells, list_cells, network
from sensorium.config import FUSIONS, parse_config
from sensorium.errors import ConfigError

INPUTS = {
    "photo": {"modality": "image", "size": [36, 52], "encoder": {"type": "cnn", "dropout": 0.3}},
    "note": {"modality": "text", "encoder": "bag"},
    "call": {"modality": "audio", "encoder": "mfcc_cnn"},
    "clip": {"modality": "video", "frames": 32, "size": [48, 64], "encoder": "motion"},
    "columns": {"modality": "tabular", "columns": ["age"]},
}


def config_of(*names, **more):
    return parse_config({"inputs": {name: INPUTS[name] for name in names}, **more})


def test_every_kind_on_each_input_and_on_all():
    cells = list_cells(config_of("photo", "note"), "binary", pairs=False)
    assert [(cell.generation, cell.model, cell.inputs, cell.fusion) for cell in cells] == [
        *(("classical", model, ("photo",), "") for model in ("logistic", "naive_bayes", "svm")),
        *(("classical", model, ("note",), "") for model in ("logistic", "naive_bayes", "svm")),
        *(("classical", model, ("photo", "note"), "") for model in ("logistic", "naive_bayes", "svm")),
        ("cnn_rnn", "cnn", ("photo",), ""),
        ("transformer", "vit", ("photo",), ""),
        ("cnn_rnn", "rnn", ("note",), ""),
        ("transformer", "transformer", ("note",), ""),
        ("cnn_rnn", "cnn + rnn", ("photo", "note"), "gated"),
        ("transformer", "vit + transformer", ("photo", "note"), "gated"),
        ("fit", "cnn + bag + hand-made", ("photo", "note"), "gated"),
    ]
    assert len({cell.file for cell in cells}) == len({cell.name for cell in cells}) == len(cells)


def test_pairs_come_between():
    config = config_of("photo", "note", "columns")
    sets = list(dict.fromkeys(cell.inputs for cell in list_cells(config, "regression", pairs=True)))
    assert [len(inputs) for inputs in sets] == [1, 1, 1, 2, 2, 2, 3]
    without = list(dict.fromkeys(cell.inputs for cell in list_cells(config, "regression", pairs=False)))
    assert without == [inputs for inputs in sets if len(inputs) != 2]
    two = config_of("photo", "note")
    assert list_cells(two, "binary", pairs=True) == list_cells(two, "binary", pairs=False)


@pytest.mark.parametrize(
    ("task", "models"),
    [("regression", ["ridge", "svm"]), ("multilabel", ["logistic", "naive_bayes"])],
)
def test_classical_models_are_those_of_the_task(task, models):
    cells = list_cells(config_of("note"), task, pairs=False)
    assert [cell.model for cell in cells if cell.generation == "classical"] == models


def test_columns_have_one_network_and_are_fitted_once():
    cells = [
        cell for cell in list_cells(config_of("columns", "note"), "binary", False) if cell.generation != "classical"
    ]
    assert [(cell.generation, cell.model) for cell in cells if cell.inputs == ("columns",)] == [("network", "tabular")]
    assert [cell.generation for cell in cells if len(cell.inputs) == 2] == ["cnn_rnn", "transformer", "fit"]


def test_a_network_is_the_configuration_with_the_cells_parts():
    config = config_of("photo", "note", "call", "clip", "columns", fusion={"type": "gated", "width": 64})
    first, second = (
        network(config, Cell(generation, "", tuple(INPUTS), "gated")) for generation in ("cnn_rnn", "transformer")
    )
    kinds = [{name: given.encoder.type for name, given in found.inputs.items()} for found in (first, second)]
    assert kinds[0] == {"photo": "cnn", "note": "rnn", "call": "mfcc_cnn", "clip": "motion", "columns": "tabular"}
    assert kinds[1] == {
        "photo": "vit", "note": "transformer", "call": "logmel_transformer", "clip": "frames", "columns": "tabular",
    }  # fmt: skip
    assert first.inputs["photo"].encoder.dropout == 0.3  # the configuration's own stays as it is
    assert first.inputs["photo"].size == (36, 52)
    assert second.inputs["photo"].size == (32, 48)  # in patches of 8
    assert (first.inputs["clip"].frames, second.inputs["clip"].frames) == (32, 16)  # spans of time, frames
    assert config.inputs["photo"].encoder.type == "cnn"
    one = network(config, Cell("transformer", "vit", ("photo",)))
    assert list(one.inputs) == ["photo"]
    assert one.fusion == config.fusion


def test_other_fusions_keep_the_width():
    config = config_of("photo", "note", fusion={"type": "gated", "width": 64})
    better = Cell("cnn_rnn", "cnn + rnn", ("photo", "note"), "gated")
    cells = fusion_cells(config, better, check_fusions(None))
    assert [cell.fusion for cell in cells] == [name for name in FUSIONS if name != "gated"]
    for cell in cells:
        found = network(config, cell).fusion
        assert (found.type, found.width) == (cell.fusion, 64)
    assert fusion_cells(config, Cell("cnn_rnn", "cnn", ("photo",)), ["mean"]) == []


@pytest.mark.parametrize("wide", [True, False])
def test_what_a_fit_makes_is_the_configuration_as_it_is(wide):
    config = config_of("photo", "note", "clip", training={"wide": wide})
    cells = list_cells(config, "binary", pairs=False)
    assert [cell.generation for cell in cells].count("fit") == 1
    fitted = cells[-1]
    assert fitted.model == "cnn + bag + motion" + " + hand-made" * wide
    assert network(config, fitted) == config
    assert not any(network(config, cell).training.wide for cell in cells if cell is not fitted)


def test_unknown_fusions_are_refused():
    with pytest.raises(ConfigError, match=r"fusions: unknown fusion 'concta'. Did you mean 'concat'\?"):
        check_fusions(["gated", "concta"])
    with pytest.raises(ConfigError, match=r"fusions must be a list of names, .*; got 'mean'"):
        check_fusions("mean")
    assert check_fusions(["mean", "gated", "mean"]) == ["mean", "gated"]
    assert check_fusions([]) == []
