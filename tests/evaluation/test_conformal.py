"""Sets and intervals hold the truth as often as was asked, on rows that are exchangeable."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import sensorium as sm
from sensorium.data.table import read_table
from sensorium.data.targets import TargetCoder
from sensorium.errors import ConfigError
from sensorium.evaluation.calibration import Calibration
from sensorium.evaluation.conformal import METHODS, check, class_sets, misfit, threshold
from sensorium.evaluation.sets import sets, with_sets


def test_misfits_by_hand():
    output = np.array([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]])
    np.testing.assert_allclose(misfit(output), [[0.8, 0.5, 0.7], [0.3, 0.9, 0.8]])
    np.testing.assert_allclose(misfit(output, "aps"), [[1.0, 0.5, 0.8], [0.7, 1.0, 0.9]])


def test_the_threshold_is_the_corrected_quantile():
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 100))  # 1..99
    assert threshold(scores, 0.9) == 90  # the 90th of 100 places
    assert threshold(scores, 0.905) == 91
    assert threshold(scores[:8], 0.9) == math.inf  # nine rows are the fewest for 0.9
    assert threshold(np.arange(9.0), 0.9) == 8
    assert threshold([], 0.5) == math.inf


def test_too_few_rows_give_the_set_of_all_classes():
    assert class_sets(np.array([[0.9, 0.1]]), [0.1] * 5, 0.9).all()


def test_the_answer_is_in_the_set_where_it_is_not_the_likeliest_class():
    coder = TargetCoder("kind", "binary", ["no", "yes"], [9, 1], offsets=[0.0, 2.0])
    found = sets(coder, Calibration(misfits={"lac": [0.3] * 50}), np.array([[0.8, 0.2], [0.99, 0.01]]), 0.9)
    assert found.tolist() == [["no", "yes"], ["no"]]  # log 0.2 + 2 is above log 0.8
    assert coder.decode(np.array([[0.8, 0.2], [0.99, 0.01]])).tolist() == ["yes", "no"]


def test_no_set_is_empty():
    chosen = class_sets(np.array([[0.4, 0.35, 0.25]]), [0.01] * 50, 0.9)  # only 0.99 would fit
    assert chosen.tolist() == [[True, False, False]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("coverage", [0.7, 0.9])
def test_sets_cover_what_was_asked(method, coverage):
    """Over draws of n calibration rows, coverage of one new row is beta-binomial: Angelopoulos and Bates, 3.2."""
    random = np.random.default_rng(0)
    n, new, hits, sizes = 200, 50, [], []
    for _ in range(60):
        logits = 1.5 * random.normal(size=(n + new, 6))
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        truth = (shares.cumsum(1) > random.random((n + new, 1))).argmax(1)
        output = shares**0.5 / (shares**0.5).sum(1, keepdims=True)  # a model that is not sure enough
        scores = misfit(output[:n], method)[np.arange(n), truth[:n]]
        chosen = class_sets(output[n:], scores, coverage, method)
        hits.append(chosen[np.arange(new), truth[n:]].sum())
        sizes.append(chosen.sum(1).mean())
    places = math.ceil((n + 1) * coverage)
    exact = stats.betabinom(new, places, n + 1 - places)
    spread = 4 * exact.std() / new / np.sqrt(60)
    assert abs(np.mean(hits) / new - exact.mean() / new) < spread
    assert 1 < np.mean(sizes) < 6


def test_sets_of_aps_are_larger_and_even_out_hard_rows():
    random = np.random.default_rng(0)
    hard = random.random(20_000) < 0.3  # rows on which any of six classes is as likely; else the first, at 0.95
    output = np.where(hard[:, None], 1 / 6 + 1e-4 * np.arange(6), [0.95, 0.01, 0.01, 0.01, 0.01, 0.01])
    output /= output.sum(1, keepdims=True)
    truth = (output.cumsum(1) > random.random((20_000, 1))).argmax(1)
    n, covered, size = 10_000, {}, {}
    for method in METHODS:
        scores = misfit(output[:n], method)[np.arange(n), truth[:n]]
        chosen = class_sets(output[n:], scores, 0.8, method)
        hit = chosen[np.arange(n), truth[n:]]
        covered[method], size[method] = hit[hard[n:]].mean(), chosen.sum(1).mean()
    assert size["lac"] < size["aps"]
    assert covered["lac"] < 0.8 <= covered["aps"] + 0.02


@pytest.mark.parametrize("coverage", [0, 1, 1.2, -0.1])
def test_a_coverage_that_can_not_be(coverage):
    with pytest.raises(ConfigError, match=rf"^coverage must be above 0 and below 1, such as 0.9; got {coverage:g}.$"):
        check(coverage)


def test_an_unknown_method():
    with pytest.raises(ConfigError, match=r"unknown method 'apz' of prediction sets. Did you mean 'aps'\?"):
        check(0.9, "apz")


@pytest.fixture(scope="module")
def predictor():
    random = np.random.default_rng(0)
    a = random.normal(size=(300, 3))
    kind = np.array(["x", "y", "z"])[np.clip(np.digitize(a[:, 0] + 0.4 * random.normal(size=300), [-0.4, 0.4]), 0, 2)]
    rows = {"a": a, "kind": kind, "price": a[:, 1] + random.normal(size=300), "tags": ["p|q", "q"] * 150}
    config = {"inputs": {"a": {}}, "targets": {"price": {"task": "regression"}, "tags": {"task": "multilabel"}}}
    return sm.fit(rows, "kind", config=config, epochs=3, probes=False, precision="32")


def test_predicted_sets_of_every_task(predictor):
    rows = {"a": np.random.default_rng(1).normal(size=(40, 3))}
    found, shares = predictor.predict_sets(rows, coverage=0.8), predictor.predict_proba(rows)["kind"]
    assert set(found) == {"kind", "price"}
    chosen = class_sets(shares.to_numpy(), predictor.calibration["kind"].misfits["lac"], 0.8)
    for names, row, (_, share) in zip(found["kind"], chosen, shares.iterrows(), strict=True):
        assert set(names) == set(shares.columns[row])
        assert names == sorted(names, key=lambda name: -share[name])  # likeliest first
    half = threshold(predictor.calibration["price"].misfits["residual"], 0.8)
    said = predictor.predict(rows)["price"]
    np.testing.assert_allclose(found["price"], np.stack([said - half, said + half], axis=1))
    wider = predictor.predict_sets(rows, coverage=0.95)
    assert all(set(a) <= set(b) for a, b in zip(found["kind"], wider["kind"], strict=True))
    by_aps = predictor.predict_sets(rows, coverage=0.8, method="aps")["kind"]
    assert by_aps.map(len).sum() >= found["kind"].map(len).sum()


def test_columns_of_sets_beside_the_answers(predictor):
    table = read_table({"a": np.random.default_rng(1).normal(size=(4, 3))})
    plain, found = predictor.answers(table), predictor.answers(table, coverage=0.8)
    added = {"kind_set", "price_low", "price_high"}
    assert {name for name in found.columns if name not in plain.columns} == added
    pd.testing.assert_frame_equal(found.drop(columns=list(added)), plain)
    assert list(found["kind_set"]) == ["|".join(names) for names in predictor.predict_sets(table, 0.8)["kind"]]


def test_too_few_validation_rows_are_said():
    coders = {"a": TargetCoder("a", "binary", ["x", "y"]), "b": TargetCoder("b", "regression")}
    calibration = {"a": Calibration(misfits={"lac": [0.1] * 4}), "b": Calibration(misfits={"residual": [0.1] * 9})}
    said = []
    assert with_sets(coders, calibration, 0.9, say=said.append) == ["a", "b"]
    assert said == ["target 'a': 4 validation rows are too few for a coverage of 0.9; every set holds all classes."]


def test_what_has_no_sets_is_refused_before_anything_is_read(predictor):
    with pytest.raises(ConfigError, match="coverage must be above 0 and below 1"):
        predictor.predict_sets("nowhere.csv", coverage=90)
    with pytest.raises(ConfigError, match="unknown method 'best' of prediction sets"):
        predictor.predict_sets("nowhere.csv", method="best")
    labels = {"tags": TargetCoder("tags", "multilabel", ["p", "q"])}
    message = "'tags' holds labels, and there are no prediction sets of those; use predict_proba."
    with pytest.raises(ConfigError, match=message):
        with_sets(labels, {"tags": Calibration()}, 0.9)
