"""A fit's targets and rows: what is refused before anything is trained, and what is said after."""

import numpy as np
import pytest
import torch

import sensorium as sm
from sensorium import encoders, fusion, heads
from sensorium.config import Training
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.tabular import VectorReader
from sensorium.data.targets import fit_target
from sensorium.errors import DataError
from sensorium.model import MultimodalModel
from sensorium.training.loop import measured_precision

QUICK = {"epochs": 1, "probes": False, "precision": "32", "batch_size": 8}


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    return {"a": random.normal(size=(40, 3)), "label": ["yes", "no"] * 20, "price": [None] * 40}


def test_a_target_that_no_row_has_is_refused(rows):
    with pytest.raises(DataError, match=r"^the table has a value of price in none of its 40 rows.$"):
        sm.fit(rows, "price", config={"inputs": {"a": {}}}, **QUICK)


def test_validation_rows_must_have_the_target(rows):
    other = {"a": rows["a"], "lable": rows["label"]}
    with pytest.raises(
        DataError, match=r"^the table has no column 'label'. Did you mean 'lable'\? There are: a, lable.$"
    ):
        sm.fit(rows, "label", valid=other, config={"inputs": {"a": {}}}, **QUICK)
    with pytest.raises(DataError, match=r"^the table has a value of label in none of its 2 rows.$"):
        sm.fit(rows, "label", valid={"a": rows["a"][:2], "label": ["", ""]}, config={"inputs": {"a": {}}}, **QUICK)


def test_a_second_target_that_no_validation_row_has_is_said_and_not_scored(rows):
    rows["price"] = list(np.arange(40.0))
    valid = {"a": rows["a"][:8], "label": rows["label"][:8], "price": [None] * 8}
    said = []
    config = {"inputs": {"a": {}}, "targets": {"price": {"task": "regression"}}}
    predictor = sm.fit(rows, "label", valid=valid, config=config, say=said.append, **QUICK)
    warning = "target 'price' has no value in the validation rows and is not scored."
    assert warning in predictor.metrics["warnings"]
    assert f"warning: {warning}" in said
    assert set(predictor.metrics["targets"]) == {"label"}


def test_measuring_the_precision_leaves_the_model_as_it_was(rows, monkeypatch):
    monkeypatch.setattr("sensorium.training.precision.has_bf16", lambda: True)
    table = read_table(rows)
    reader = VectorReader("a")
    reader.fit([(cell,) for cell in table.cells("a")])
    coder = fit_target("label", table.cells("label"), "classification")
    model = MultimodalModel({"a": encoders.VectorDense(3, 4)}, fusion.Gated(4), {"label": heads.Binary(4)})
    model.register_buffer("steps", torch.zeros(()))

    def count(module, *_):
        module.steps += 1  # as batch statistics do: not by the gradient

    model.register_forward_hook(count)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    chosen = measured_precision(
        model, Rows(table, {"a": reader}, {"label": coder}), Training(batch_size=8), {"a": "vector"}
    )
    assert chosen in {"32", "bf16"}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_wide_part_is_told_of(rows, tmp_path):
    rows["price"] = [*range(20), *[None] * 20]  # too few to stack
    config = {"inputs": {"a": {}}, "targets": {"label": {}, "price": {"task": "regression"}}}
    said = []
    predictor = sm.fit(rows, config=config, say=said.append, out=tmp_path / "run", **QUICK)
    assert predictor.model.wide.targets == ("label",)
    found = predictor.metrics["targets"]["label"]["shares"]
    assert found == dict(zip(("network", "wide"), predictor.model.wide.shares("label"), strict=True))
    assert "shares" not in predictor.metrics["targets"]["price"]
    line = "target 'label': logits are {network:.2f} x the network's + {wide:.2f} x those of hand-made features."
    assert line.format(**found) in said
    seconds = predictor.metrics["seconds"]
    assert list(seconds) == ["reading", "wide", "training", "probes", "total"]
    assert sum(seconds[part] for part in list(seconds)[:-1]) == pytest.approx(seconds["total"])
    loaded = sm.load(tmp_path / "run")
    for target, answers in predictor.predict(rows).items():
        assert loaded.predict(rows)[target].tolist() == answers.tolist()


def test_a_wide_part_can_be_left_out(rows):
    network = sm.fit({**rows, "price": [1.0, 2.0] * 20}, "label", config={"inputs": {"a": {}}}, wide=False, **QUICK)
    assert network.model.wide is None
    assert "shares" not in network.metrics["targets"]["label"]
    few = {name: column[:30] for name, column in rows.items()}  # 24 of them to learn from
    assert sm.fit(few, "label", config={"inputs": {"a": {}}}, **QUICK).model.wide is None


def test_a_wide_part_answers_where_the_network_has_learned_nothing():
    """A word in a hundred tells: what an epoch at a tiny rate can't learn, a linear model of counts finds."""
    random = np.random.default_rng(0)
    words = [f"w{i}" for i in range(100)]
    label = np.where(np.arange(300) % 2 == 0, "yes", "no")
    texts = [" ".join([*random.choice(words, 12), "good" if kind == "yes" else "bad"]) for kind in label]
    rows = {"note": texts, "label": label.tolist()}
    config = {"inputs": {"note": {"modality": "text"}}}
    options = {"config": config, "settings": ["training.learning_rate=1e-6"], **QUICK}
    both, network = (sm.fit(rows, "label", wide=wide, **options) for wide in (True, False))
    accuracy = [p.metrics["targets"]["label"]["valid"]["accuracy"]["value"] for p in (both, network)]
    assert accuracy[0] > 0.85
    assert accuracy[1] < 0.7
    shares = both.predict_proba({"note": ["", "good"]})
    assert shares["yes"][1] > 0.8
    assert abs(shares["yes"][0] - 0.5) < 0.1


def test_an_input_that_no_training_row_has_breaks_nothing_later(rows, tmp_path):
    rows = {"photo": [None] * 40, "note": [""] * 40, "a": rows["a"], "label": rows["label"]}
    inputs = {"photo": {"modality": "image", "size": 16}, "note": {"modality": "text"}, "a": {}}
    sm.fit(rows, "label", config={"inputs": inputs}, out=tmp_path / "run", **QUICK)
    predictor = sm.load(tmp_path / "run")
    assert predictor.model.wide is not None
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    new = {"photo": [picture, None], "note": ["a word", ""], "a": [rows["a"][0], rows["a"][0]]}
    shares = predictor.predict_proba(new).to_numpy()
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(
        predictor.predict_proba({name: cells[:1] for name, cells in new.items()}), shares[:1], atol=1e-6
    )


def test_the_last_rows_are_learned_from_when_all_is_measured(rows, tmp_path):
    """The linear part alone changes; what was chosen and measured by those rows is as without."""
    made = [sm.fit(rows, "label", config={"inputs": {"a": {}}}, refit=refit, **QUICK) for refit in (False, True)]
    assert [predictor.metrics["refit"] for predictor in made] == [False, True]
    assert made[0].metrics["targets"] == made[1].metrics["targets"]
    before, after = (predictor.model.state_dict() for predictor in made)
    layer = "wide.layers.0."
    for name, one in before.items():
        assert torch.equal(one, after[name]) == (name not in {f"{layer}weight", f"{layer}bias"}), name
    assert set(after) - set(before) == {f"{layer}measured_weight", f"{layer}measured_bias"}
    made[1].save(tmp_path / "run")
    answers = [predictor.predict_proba(rows) for predictor in (*made, sm.load(tmp_path / "run"))]
    assert not answers[0].equals(answers[1])
    assert answers[1].equals(answers[2])
    with made[1].model.wide.as_measured():
        assert made[1].predict_proba(rows).equals(answers[0])
    assert made[1].predict_proba(rows).equals(answers[1])
