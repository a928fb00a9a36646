"""A run of `sm.pretrain` finds what belongs together in rows that it never saw."""

import numpy as np
import pandas as pd
import pytest

import sensorium as sm

ANIMALS = {"cat": (1, 0, 0), "dog": (0, 1, 0), "bird": (0, 0, 1)}


def planted(rows, seed):
    """Two vectors, each a mixture of what the row is about and of noise, and a text that names the nearest animal."""
    random = np.random.default_rng(seed)
    about = random.normal(size=(rows, 3))
    mixed = np.random.default_rng(0).normal(size=(2, 3, 6))
    names = list(ANIMALS)
    return pd.DataFrame(
        {
            "front": list((about @ mixed[0] + 0.1 * random.normal(size=(rows, 6))).astype(np.float32)),
            "back": list((about @ mixed[1] + 0.1 * random.normal(size=(rows, 6))).astype(np.float32)),
            "name": [f"it is a {names[place]}" for place in about.argmax(1)],
        }
    )


@pytest.fixture(scope="module")
def predictor():
    settings = ["pretraining.reconstruction=0", "pretraining.size=16", "fusion.width=32"]
    return sm.pretrain(
        planted(600, 1), settings=settings, modalities={"name": "text"}, epochs=12, batch_size=32, precision="32"
    )


def test_one_input_finds_the_other(predictor):
    found = predictor.evaluate(planted(200, 2))["metrics"]
    for pair in ("front->back", "back->front"):
        score = found[f"{pair}.recall@10"]
        assert score["random"] == pytest.approx(0.05)
        assert score["low"] > 0.5
        assert found[f"{pair}.median_rank"]["value"] < 20


def test_classes_that_are_described_are_found(predictor):
    rows = planted(200, 3)
    found = predictor.zero_shot(rows, {name: f"it is a {name}" for name in ANIMALS}, inputs=["front", "back"])
    names = rows["name"].str.split().str[-1]
    assert (found.idxmax(axis=1) == names).mean() > 0.8  # a third by chance


def test_an_index_finds_a_row_by_its_other_input(predictor):
    rows = planted(200, 4)
    index = sm.Index.build(predictor, rows, ["front"])
    hits = sum(row + 1 in index.search({"back": rows["back"][row]}, top=10)["row"].tolist() for row in range(50))
    assert hits > 25
