"""Answers with every subset of the inputs, each input encoded once, are those of `MultimodalModel.drop`."""

import numpy as np
import pytest
import torch

import sensorium as sm
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.explain import subsets as room
from sensorium.explain.subsets import answers_of_subsets, explained_number, subsets


def count_calls(module, seen):
    """Notes how many rows a module is called with."""
    return module.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))


@pytest.fixture(scope="module")
def predictor(table, config):
    """Wide part and all kinds of inputs, three of each kind of target."""
    targets = {"targets": {"price": {"task": "regression"}, "tags": {"task": "multilabel"}, "shop": {}}}
    inputs = {"inputs": {name: config["inputs"][name] for name in ("photo", "call", "note", "pose")}}
    return sm.fit(table, "label", config={**config, **inputs, **targets})


@pytest.mark.parametrize("target", ["label", "price", "tags", "shop"])
def test_answers_of_a_whole_model_and_every_task(predictor, table, target, monkeypatch):
    model, coder, calibration = predictor.model, predictor.coders[target], predictor.calibration[target]
    assert model.wide is not None
    rows, coalitions = Rows(read_table(table), predictor.readers), subsets(model.modalities)
    monkeypatch.setattr(room, "TILE", 20)  # so that batches are cut in several tiles
    parts = list(answers_of_subsets(model, rows, coder, calibration, coalitions, 7, order=range(20)))
    assert np.concatenate([part.places for part in parts]).tolist() == list(range(20))
    batch = rows.batch(range(20))
    whole = predictor.predict_proba(table)[target] if coder.classes else None
    decoded = predictor.predict(table)[target]
    for row, members in enumerate(coalitions.members):
        keep = [name for name, here in zip(model.modalities, members, strict=True) if here]
        with torch.no_grad():
            logits = model(model.drop(batch.inputs, keep))[target].float()
        explained = torch.from_numpy(np.concatenate([part.explained for part in parts]))
        expected = explained_number(coder.task, logits[None], explained)[0]
        found = np.concatenate([part.number[row] for part in parts])
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
    last = np.concatenate([part.outputs[-1] for part in parts])
    if whole is not None:
        np.testing.assert_allclose(last, whole.to_numpy()[:20], atol=1e-4)
        likeliest = [coder.classes[place] for place in whole.to_numpy()[:20].argmax(1)]
        assert [coder.classes[place] for place in explained] == likeliest
    else:
        np.testing.assert_allclose(coder.decode(last), decoded[:20], rtol=1e-4)
    present = np.concatenate([part.present for part in parts])
    assert (~present[:, 0]).nonzero()[0].tolist() == [0, 5, 10, 15]  # rows without a photo


def test_the_number_of_a_class_is_its_logit():
    logits = torch.tensor([[[1.0, 2.0, 4.0], [0.0, -1.0, 3.0]]])  # (1, 2 rows, 3 classes)
    assert explained_number("classification", logits, torch.tensor([2, 1])).tolist() == [[4.0, -1.0]]
    assert explained_number("multilabel", logits, torch.tensor([0, 2])).tolist() == [[1.0, 3.0]]
    assert explained_number("binary", logits[..., 0], torch.tensor([0, 1])).tolist() == [[-1.0, 0.0]]
    assert explained_number("regression", logits[..., 0], torch.tensor([0, 0])).tolist() == [[1.0, 0.0]]


def test_every_input_is_encoded_once(predictor, table):
    """Four inputs, 40 rows: 16 fusions of each row, one encoding of what it has."""
    model = predictor.model
    encoded, fused = {name: [] for name in model.modalities}, []
    hooks = [count_calls(model.encoder(name), seen) for name, seen in encoded.items()]
    hooks.append(count_calls(model.head("label"), fused))
    predictor.explain(table, target="label", parts=False)
    for hook in hooks:
        hook.remove()
    assert sum(fused) == 16 * 40
    assert {name: sum(seen) for name, seen in encoded.items()} == {"photo": 32, "call": 34, "note": 40, "pose": 40}


def test_of_more_inputs_so_many_subsets_as_tell_every_pair():
    assert len(subsets("abcdefgh").members) == 256
    few = subsets([f"input {i}" for i in range(25)])
    assert not few.exact
    assert 325 < len(few.members) <= 2 * 325  # 25 inputs and their 300 pairs
