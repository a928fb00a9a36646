"""Smaller configurations: sizes, and what stays."""

import pytest

from sensorium.compression.smaller import smaller
from sensorium.config import parse_config


@pytest.fixture
def config():
    return parse_config(
        {
            "inputs": {
                "photo": {"modality": "image", "encoder": {"type": "cnn", "channels": [32, 64, 128]}, "size": 64},
                "note": {"modality": "text", "encoder": {"type": "transformer", "layers": 4}},
                "call": {"modality": "audio", "encoder": {"type": "pretrained", "model": "resemblyzer"}},
                "pose": {"modality": "vector"},
            },
            "fusion": {"type": "gated", "width": 128},
            "targets": {"label": {"task": "classification"}},
        }
    )


def test_a_half(config):
    found = smaller(config, 0.5)
    assert found.fusion.width == 64
    assert found.inputs["photo"].encoder.channels == (16, 32, 64)
    assert found.inputs["note"].encoder.layers == 2
    assert found.inputs["call"].encoder.type == "mfcc_cnn"
    assert found.inputs["call"].encoder.channels == (64, 64, 64)
    assert found.inputs["pose"] == config.inputs["pose"]
    assert found.inputs["photo"].size == 64
    assert found.targets == config.targets
    assert not found.training.wide
    assert config.training.wide  # the given one stays


def test_the_least_that_there_is(config):
    found = smaller(config, 0.001)
    assert found.fusion.width == 16
    assert found.inputs["photo"].encoder.channels == (8, 8, 8)
    assert found.inputs["note"].encoder.layers == 1


def test_all_of_it(config):
    found = smaller(config, 1.0)
    assert found.fusion == config.fusion
    assert found.inputs["note"] == config.inputs["note"]
