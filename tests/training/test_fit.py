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
