"""The article's network: as Keras counts it, from the configuration as from blocks, and it learns."""

import runpy
from pathlib import Path

import pytest
import torch

import sensorium as sm

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "article" / "train.py"))


def test_every_layer_has_the_size_that_keras_gives_it():
    layers = {
        (3, 3, 3, 32): 1, (32,): 1, (3, 3, 32, 64): 1, (186624, 64): 1, (100, 64): 1, (128, 64): 1, (192, 128): 1,
        (128,): 1, (128, 1): 1, (1,): 1, (64,): 4,
    }  # fmt: skip
    found: dict[tuple[int, ...], int] = {}
    for parameter in EXAMPLE["network"]().parameters():
        # Keras writes kernels as (height, width, in, out) and dense layers as (in, out).
        order = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[parameter.dim()]
        shape = tuple(parameter.permute(order).shape)
        found[shape] = found.get(shape, 0) + 1
    assert found == layers
    assert sum(p.numel() for p in EXAMPLE["network"]().parameters()) == 12_002_945


@pytest.fixture(scope="module")
def rows():
    return EXAMPLE["arrays"](320, 24)


def test_the_configuration_is_the_blocks_and_learns(rows):
    predictor = sm.fit(rows, config=EXAMPLE["CONFIG"], settings=["inputs.image.size=24", "training.precision=32"])
    blocks = EXAMPLE["network"](24)
    blocks.load_state_dict(predictor.model.state_dict())  # the same layers in the same order
    inputs = {
        "image": torch.tensor((rows["image"][:8] * 255).round() / 255).permute(0, 3, 1, 2),
        **{
            name: torch.tensor(
                (rows[name][:8] - predictor.readers[name].mean) / predictor.readers[name].scale, dtype=torch.float32
            )
            for name in ("text", "audio")
        },
    }
    expected = blocks.eval()(inputs)["label"].sigmoid()
    said = predictor.predict_proba({name: values[:8] for name, values in rows.items()})["1"]
    torch.testing.assert_close(torch.tensor(said.to_numpy()), expected.detach(), rtol=1e-4, atol=1e-5)
    assert predictor.run["rows"] == {"train": 256, "valid": 64}
    assert predictor.metrics["targets"]["label"]["valid"]["accuracy"]["value"] > 0.9


def test_the_blocks_learn(rows):
    assert EXAMPLE["train_blocks"](rows, 10)[1] > 0.9
