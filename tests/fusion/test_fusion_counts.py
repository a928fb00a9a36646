"""Every fusion with one modality and with a dozen, with padding, and in training as at prediction."""

import math

import pytest
import torch

from sensorium import fusion
from sensorium.encoders import Features

W = 8
pytestmark = pytest.mark.parametrize("kind", sorted(fusion.FUSIONS))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make(kind, count):
    module = fusion.FUSIONS[kind](W, dropout=0.0).eval()
    module.connect([f"m{i}" for i in range(count)])
    return module


def example(count, rows=6, length=3):
    """Row 0 has every modality, row 1 none."""
    features = {}
    for i in range(count):
        mask = torch.rand(rows, length) > 0.5
        mask[0], mask[1] = True, False
        features[f"m{i}"] = Features(torch.randn(rows, length, W), mask)
    return features


@pytest.mark.parametrize("count", [1, 2, 12])
def test_any_number_of_modalities(kind, count):
    module, features = make(kind, count), example(count)
    fused = module(features)
    (fused * torch.randn(fused.shape)).sum().backward()
    assert fused.isfinite().all()
    for name, parameter in module.named_parameters():  # a weight beside no other may have a gradient of 0, but has one
        assert parameter.grad.isfinite().all(), name
    moved = {**features, "m0": Features(features["m0"].tokens.flip(0), features["m0"].mask)}
    assert not torch.allclose(fused[0], module(moved)[0])


def test_a_longer_padding_changes_nothing(kind):
    module, features = make(kind, 3), example(3)
    padded = {
        name: Features(
            torch.cat([tokens, torch.full((6, 2 + i, W), math.nan)], dim=1),
            torch.cat([mask, torch.zeros(6, 2 + i, dtype=torch.bool)], dim=1),
        )
        for i, (name, (tokens, mask)) in enumerate(features.items())
    }
    torch.testing.assert_close(module(padded), module(features))


def test_what_stands_for_an_absent_modality_is_the_same_in_training_and_at_prediction(kind):
    module, features = make(kind, 3), example(3)
    assert torch.equal(module.train()(features), module.eval()(features))
