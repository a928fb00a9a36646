"""Layers of hand-made features beside a network's logits."""

import copy

import numpy as np
import pytest
import torch

from sensorium.baselines.wide import Wide
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.tabular import VectorReader
from sensorium.data.text import TextReader
from sensorium.encoders.features import Input

OUTPUTS = {"kind": 3, "yes": 1}


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    raw = {
        "a": [None if i % 4 == 0 else random.normal(size=3) for i in range(40)],
        "note": ["" if i % 3 == 0 else f"a {i % 2} b {i % 5}" for i in range(40)],
    }
    table, readers = read_table(raw), {"a": VectorReader("a"), "note": TextReader("note", vocabulary=300)}
    for reader in readers.values():
        reader.fit(table.rows(reader.columns))
    return Rows(table, readers, memory=2**20)


@pytest.fixture
def wide(rows):
    found = Wide(rows.readers, list(OUTPUTS))
    found.features.fit(rows, np.arange(40))
    random = np.random.default_rng(1)
    for target, outputs in OUTPUTS.items():
        found.set_layer(target, random.normal(size=(outputs, sum(found.features.sizes))), random.normal(size=outputs))
    return found.eval()


def test_logits_are_a_linear_layer_of_all_features(rows, wide):
    inputs = rows.batch(range(40)).inputs
    features = np.hstack([part.double().numpy() for part in wide.features(inputs).values()])
    found = wide(inputs)
    assert {name: tuple(logits.shape) for name, logits in found.items()} == {"kind": (40, 3), "yes": (40,)}
    for name, layer in zip(OUTPUTS, wide.layers, strict=True):
        expected = features @ layer.weight.double().numpy().T + layer.bias.double().numpy()
        np.testing.assert_allclose(found[name].reshape(40, -1), expected, atol=1e-5)
    assert wide.fitted == 4 * features.shape[1] + 4


def test_a_missing_input_adds_nothing(rows, wide):
    inputs = rows.batch(range(12)).inputs
    nothing = {name: Input(values, torch.zeros_like(mask)) for name, (values, mask, _) in inputs.items()}
    found = {name: wide(nothing | {name: inputs[name]}) for name in inputs}
    whole, empty = wide(inputs), wide(nothing)
    for target, layer in zip(OUTPUTS, wide.layers, strict=True):
        bias = layer.bias if len(layer.bias) > 1 else layer.bias[0]
        torch.testing.assert_close(empty[target], bias.expand_as(empty[target]))
        torch.testing.assert_close(whole[target], found["a"][target] + found["note"][target] - bias)
        assert torch.equal(wide({"a": inputs["a"]})[target], found["a"][target])  # left out is missing
        assert torch.equal(whole[target][0], empty[target][0])  # row 0 has neither


def test_a_row_alone_is_the_row_in_a_batch(rows, wide):
    together = wide(rows.batch(range(40)).inputs)
    for row in (0, 1, 3, 4, 39):
        for target, logits in wide(rows.batch([row]).inputs).items():
            torch.testing.assert_close(logits[0], together[target][row])


def test_shares_join_both_logits(wide):
    network, beside = torch.randn(5, 3), torch.randn(5, 3)
    assert wide.shares("kind") == (1, 0)
    assert torch.equal(wide.join("kind", network, beside), network)
    wide.set_shares("kind", 0.25, 2.0)
    assert wide.shares("kind") == (0.25, 2)
    torch.testing.assert_close(wide.join("kind", network, beside), 0.25 * network + 2 * beside)
    assert wide.shares("yes") == (1, 0)
    half = wide.join("kind", network.bfloat16(), beside)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, 0.25 * network + 2 * beside, atol=2e-2, rtol=0)


def test_a_state_goes_into_a_new_one_and_copies_are_equal(rows, wide):
    wide.set_shares("yes", 0.75, 0.5)
    inputs = rows.batch(range(40)).inputs
    expected, other = wide(inputs), Wide(rows.readers, list(OUTPUTS))
    other.load_state_dict(wide.state_dict())
    for again in (other, copy.deepcopy(wide)):
        for target, logits in again(inputs).items():
            assert torch.equal(logits, expected[target])
        assert again.shares("yes") == (0.75, 0.5)
    assert not list(wide.parameters())  # nothing for an optimiser
