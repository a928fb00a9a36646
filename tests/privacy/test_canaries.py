"""Secrets that are planted, and how far a run's losses give them away."""

import math

import numpy as np
import pandas as pd
import pytest

import sensorium as sm
from sensorium.errors import ConfigError, DataError
from sensorium.privacy.canaries import exposure, plant, rank

ROWS = {"note": [f"a {w} day, number {n}" for n in range(20) for w in ("bright", "dark")], "label": ["yes", "no"] * 20}
QUICK = {"epochs": 1, "batch_size": 8, "threads": 1, "probes": False, "wide": False}
CONFIG = {
    "inputs": {"note": {"modality": "text", "encoder": {"type": "bag"}}},
    "fusion": {"type": "concat", "width": 16},
}


class Remembers:
    """Stands for a run whose probability of a row's class is high for texts that it knows."""

    def __init__(self, known, predictor):
        self.known, self.readers, self.coders = known, predictor.readers, predictor.coders

    def _labelled(self, table, say):
        coder = self.coders["label"]
        return {"label": coder.truth(table.cells("label"))}, np.ones(len(table), dtype=bool)

    def _outputs(self, table, say):
        truth = self.coders["label"].truth(table.cells("label"))[0].astype(int)
        sure = np.array([0.99 if any(k in text for k in self.known) else 0.5 for text in table.cells("note")])
        return {"label": np.where(np.arange(2) == truth[:, None], sure[:, None], 1 - sure[:, None])}


@pytest.fixture(scope="module")
def planted():
    table, canaries = plant(ROWS, "note", "label", count=4, repeats=3)
    return table, canaries, sm.fit(table, "label", config=CONFIG, **QUICK)


def test_secrets_are_planted_as_often_as_asked(planted):
    table, canaries, _ = planted
    assert len(table) == 40 + 4 * 3
    assert len(set(canaries.secrets)) == 4
    notes, labels = list(table.cells("note")), list(table.cells("label"))
    for secret, value in zip(canaries.secrets, canaries.values, strict=True):
        assert len(secret) == 6
        at = [i for i, note in enumerate(notes) if note == f"the secret number is {secret}"]
        assert [labels[i] for i in at] == [value] * 3
    assert notes[:40] == ROWS["note"]


def test_a_secret_that_ranks_first_is_exposed_by_all_bits(planted):
    _, canaries, predictor = planted
    found = exposure(Remembers(canaries.secrets, predictor), canaries, candidates=256)
    assert found["canaries"] == [8.0] * 4
    assert found["exposure"] == {"value": 8, "low": 8, "high": 8}
    assert found["most"] == math.log2(256)


def test_secrets_among_equals_have_the_middle_rank(planted):
    _, canaries, predictor = planted
    found = exposure(Remembers((), predictor), canaries, candidates=101)
    assert found["canaries"] == pytest.approx([math.log2(101 / 51)] * 4)


def test_ranks():
    assert rank(np.array([0.1, 0.2, 0.3])) == 1
    assert rank(np.array([0.3, 0.2, 0.3, 0.9])) == 2.5


def test_chance_is_the_mean_over_all_ranks(planted):
    _, canaries, predictor = planted
    found = exposure(predictor, canaries, candidates=64)
    assert found["chance"] == pytest.approx(np.mean([math.log2(64 / r) for r in range(1, 65)]))
    assert all(0 <= one <= 6 for one in found["canaries"])
    assert found["exposure"]["low"] <= found["exposure"]["value"] <= found["exposure"]["high"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "no place"}, r"form must hold \{\} once, where the secret stands; got 'no place'"),
        ({"count": 0}, "count and repeats must be 1 or more.*got 0, 4 and 6 digits"),
        ({"count": 6, "digits": 1}, "count at most half of all secrets; got 6, 4 and 1 digits"),
    ],
)
def test_what_can_not_be_planted(options, message):
    with pytest.raises(ConfigError, match=message):
        plant(pd.DataFrame(ROWS), "note", "label", **options)


def test_columns_must_be_there(planted):
    with pytest.raises(DataError, match=r"has no column 'nota' for canaries\. Did you mean 'note'"):
        plant(ROWS, "nota", "label")
    with pytest.raises(DataError, match="has no value of 'label'"):
        plant({"note": ["a"], "label": [None]}, "note", "label")
    _, canaries, predictor = planted
    with pytest.raises(ConfigError, match="candidates must be from 2 to all 1000000 secrets; got 1"):
        exposure(predictor, canaries, candidates=1)
    other = plant({**ROWS, "age": list(range(40))}, "note", "age")[1]
    with pytest.raises(ConfigError, match="the run does not learn 'age' from 'note'"):
        exposure(predictor, other)
