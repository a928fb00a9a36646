"""The wide part of a run that goes on: old and new layers count as far as they answer the new rows."""

import numpy as np
import pytest
import torch

import sensorium as sm
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.training.wide_again import widen_again

QUICK = {"probes": False, "threads": 1, "precision": "32"}
STILL = {**QUICK, "train": "heads", "epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0}


def rows(count, seed, place=0):
    """Two vectors; the number at `place` of `a` tells the label, the second of `b` another."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, count, 4))
    return {
        "a": list(a),
        "b": list(b),
        "label": np.where(a[:, place] > 0, "yes", "no"),
        "other": np.where(b[:, 1] > 0, "up", "down"),
    }


@pytest.fixture(scope="module")
def run():
    config = {"fusion": {"width": 16}, "balance": {"method": "none"}}
    return sm.fit(rows(400, 0), "label", config=config, ignore=["other"], epochs=4, **QUICK)


def accuracy(predictor, table, target="label"):
    return (predictor.predict(table).to_numpy() == np.asarray(table[target])).mean()


def test_rows_of_another_rule_are_answered_by_it(run):
    fresh = rows(300, 2, place=1)
    adapted = sm.adapt(run, rows(80, 1, place=1), **STILL)
    assert accuracy(run, fresh) < 0.6
    assert accuracy(adapted, fresh) > 0.85


def test_few_rows_of_the_same_rule_change_few_answers(run):
    fresh = rows(300, 2)
    adapted = sm.adapt(run, rows(40, 1), **STILL)
    same = (adapted.predict(fresh) == run.predict(fresh)).mean()
    assert same > 0.95
    assert accuracy(adapted, fresh) > accuracy(run, fresh) - 0.02


def test_a_target_that_the_run_has_not_has_a_wide_part(run):
    adapted = sm.adapt(run, rows(80, 1), target="other", **STILL)
    assert adapted.model.wide.targets == ("other",)
    assert accuracy(adapted, rows(300, 2), "other") > 0.85


def test_an_input_that_the_run_has_not_has_features(run):
    table, fresh = rows(80, 1), rows(300, 2)
    for part, seed in ((table, 3), (fresh, 4)):
        clue = np.random.default_rng(seed).normal(size=(len(part["a"]), 1))
        part["clue"], part["label"] = list(clue), np.where(clue[:, 0] > 0, "yes", "no")
    assert accuracy(sm.adapt(run, table, **STILL), fresh) > 0.9


@torch.no_grad()
def test_what_stands_beside_rows_is_what_it_will_answer(run):
    model = sm.adapt(run, rows(28, 1), **STILL).model  # a copy of the network that may be changed
    model.wide = None
    table, valid = read_table(rows(60, 5, place=1)), read_table(rows(40, 6, place=1))
    parts = [Rows(part, run.readers, run.coders) for part in (table, valid)]
    before = model.head("label").linear.weight.clone()
    widened = widen_again(model, run.model.wide, *parts, run.coders, ["label"], None)
    batch = parts[1].batch(range(40))
    zeros = {"label": torch.zeros(40)}
    said = widened.valid.add(zeros, batch.rows, batch.inputs)["label"]
    torch.testing.assert_close(said, widened.wide(batch.inputs)["label"], atol=1e-4, rtol=1e-4)
    scale = (model.head("label").linear.weight / before).flatten()
    torch.testing.assert_close(scale, scale[:1].expand_as(scale))
    seen = parts[0].batch(range(60))
    kept_out = widened.train.add({"label": torch.zeros(60)}, seen.rows, seen.inputs)["label"]
    assert not torch.allclose(kept_out, widened.wide(seen.inputs)["label"], atol=1e-2)  # else it was asked what it knew


def test_no_time_leaves_the_runs_own_layer(run):
    model = sm.adapt(run, rows(28, 1), **STILL).model
    model.wide = None
    parts = [Rows(read_table(rows(60, seed)), run.readers, run.coders) for seed in (5, 6)]
    widened = widen_again(model, run.model.wide, *parts, run.coders, ["label"], 1e-6)
    old = run.model.wide
    share = old.shares("label")[1]
    torch.testing.assert_close(widened.wide.layers[0].weight, share * old.layers[0].weight)
