"""Temperatures that are known, and what a fit and an evaluation make of them."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

import sensorium as sm
from sensorium.data.targets import TargetCoder
from sensorium.evaluation import calibration
from sensorium.evaluation.calibration import Calibration, fit_calibration, fit_temperature, trust
from sensorium.evaluation.metrics import score


def drawn(rows, classes, factor, seed=0):
    """Truth drawn from softmax(logits), and the probabilities of logits times `factor`."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, classes)) * 2
    truth = (softmax(logits, axis=1).cumsum(1) > random.random((rows, 1))).argmax(1)
    return truth, softmax(factor * logits, axis=1).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("factor", [0.4, 1.7, 3.0])
def test_the_temperature_is_the_factor_that_logits_were_scaled_by(classes, factor):
    truth, output = drawn(8000, classes, factor)
    assert fit_temperature(truth, output) == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize("rows", [30, 3000])
def test_the_temperature_is_what_scipy_finds(rows):
    truth, output = drawn(rows, 4, 2.0)
    logits = np.log(output.astype(np.float64))
    aim = np.full((rows, 4), 1 / (rows + 2) / 3)
    aim[np.arange(rows), truth] = (rows + 1) / (rows + 2)

    def loss(log_t):
        return -(aim * log_softmax(logits / np.exp(log_t), axis=1)).sum()

    found = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    assert fit_temperature(truth, output) == pytest.approx(np.exp(found.x), rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rows", [1, 6, 40])
def test_the_log_loss_of_the_validation_rows_never_grows(rows, seed):
    truth, output = drawn(rows, 3, 1.0, seed)
    temperature = fit_temperature(truth, output)
    before, after = (
        score("classification", truth, said, resamples=0)["log_loss"]["value"]
        for said in (output, Calibration(temperature).apply("classification", output))
    )
    assert after <= before
    assert temperature == 1 or after < before


def test_a_few_rows_that_are_all_right_ask_for_no_certainty():
    output = np.tile([0.6, 0.4], (8, 1))
    said = Calibration(fit_temperature(np.zeros(8), output)).apply("binary", output)
    assert said[0, 0] == pytest.approx(9 / 10)  # Platt's share: (8 + 1) / (8 + 2)
    sure = np.tile([0.999, 0.001], (8, 1))
    assert fit_temperature(np.zeros(8), sure) == 1.0  # less would cost log-loss here


@pytest.mark.parametrize("temperature", [0.05, 0.7, 4.0, 20.0])
def test_no_answer_changes(temperature):
    random = np.random.default_rng(0)
    close = np.float32(0.5) + np.array([[1, -1], [-1, 1], [0, 0]], dtype=np.float32) * np.float32(6e-8)
    sure = np.array([[1.0, 0.0], [1.0, 1e-30]], dtype=np.float32)
    many = random.dirichlet(np.ones(50), 500).astype(np.float32)
    for output in (close, sure, many):
        said = Calibration(temperature).apply("classification", output)
        assert (said.argmax(1) == output.argmax(1)).all()
        np.testing.assert_allclose(said.sum(1), 1)
    labels = np.r_[many[:2].ravel(), 0, 1, 0.5, close.ravel()].reshape(-1, 1).astype(np.float32)
    assert ((Calibration(temperature).apply("multilabel", labels) > 0.5) == (labels > 0.5)).all()


def test_probabilities_at_a_temperature_are_those_of_scaled_logits():
    logits = np.random.default_rng(0).normal(size=(20, 3)) * 5
    said = Calibration(2.5).apply("classification", softmax(logits, axis=1))
    np.testing.assert_allclose(said, softmax(logits / 2.5, axis=1), rtol=1e-9)
    shares = 1 / (1 + np.exp(-logits))
    said = Calibration(2.5).apply("multilabel", shares)
    np.testing.assert_allclose(said, 1 / (1 + np.exp(-logits / 2.5)), rtol=1e-9)


def test_labels_share_a_temperature():
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 3)) * 2
    truth = (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    coder = TargetCoder("tags", "multilabel", ["a", "b", "c"], [1, 1, 1])
    found = fit_calibration(coder, (truth, np.ones(4000, dtype=bool)), 1 / (1 + np.exp(-3 * logits)))
    assert found.temperature == pytest.approx(3, rel=0.05)
    assert found.misfits == {}


def test_a_numbers_deviation_is_in_its_own_unit():
    coder = TargetCoder("price", "regression", mean=100.0, scale=10.0)
    truth, mask = np.array([0.0, 1.0, -1.0, 9.0]), np.array([True, True, True, False])
    output = np.array([0.3, 1.0, -1.4, 0.0])  # errors of 3, 0 and 4
    found = fit_calibration(coder, (truth, mask), output)
    assert found.deviation == pytest.approx(5 / np.sqrt(3))
    assert found.misfits["residual"] == pytest.approx([0, 3, 4])
    told = trust(coder, found, (truth, mask), output, coverage=0.5)
    assert told["within"] == pytest.approx(1 / 3)  # of 0, 3 and 4 only 0 is at most 2.89
    assert told["sets"] == {"asked": 0.5, "covered": pytest.approx(2 / 3), "size": pytest.approx(6)}
    assert trust(coder, found, (truth, mask), output)["sets"]["size"] is None  # three rows are too few for 0.9


def test_of_many_rows_a_random_part_of_the_misfits_is_kept(monkeypatch):
    monkeypatch.setattr(calibration, "MOST_ROWS", 50)
    coder = TargetCoder("price", "regression")
    errors = np.arange(1000.0)
    kept = fit_calibration(coder, (errors, np.ones(1000, dtype=bool)), np.zeros(1000)).misfits["residual"]
    assert len(kept) == 50
    assert kept == sorted(kept)
    assert abs(np.mean(kept) - 499.5) < 3 * 1000 / np.sqrt(12 * 50)


@pytest.fixture(scope="module")
def noisy():
    """A label that follows from `a` nine times in ten, and a number with an error of 2."""
    random = np.random.default_rng(0)
    a = random.normal(size=(400, 3))
    label = np.where((a[:, 0] > 0) ^ (random.random(400) < 0.1), "yes", "no")
    return {"a": a, "label": label, "price": 3 * a[:, 1] + 2 * random.normal(size=400)}


@pytest.fixture(scope="module")
def fitted(noisy, tmp_path_factory):
    """A predictor whose training made it too sure, and its run folder."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    rows, valid = ({name: values[part] for name, values in noisy.items()} for part in (slice(150), slice(150, 250)))
    config = {"inputs": {"a": {}}, "targets": {"price": {"task": "regression"}}}
    options = {"epochs": 2, "probes": False, "precision": "32", "batch_size": 8}
    return sm.fit(rows, "label", valid=valid, config=config, out=folder, **options), folder


def test_a_fit_calibrates_on_the_validation_rows_and_a_run_keeps_it(fitted, noisy):
    predictor, folder = fitted
    valid = {name: values[150:250] for name, values in noisy.items()}
    found = predictor.metrics["targets"]["label"]
    temperature = predictor.calibration["label"].temperature
    assert found["calibration"]["temperature"] == temperature
    assert found["valid"]["log_loss"]["value"] <= found["calibration"]["before"]["log_loss"]
    raw = sm.load(folder)
    assert raw.calibration == predictor.calibration
    calibrated = raw.predict_proba(valid)["label"].to_numpy()
    raw.calibration = {name: Calibration() for name in raw.coders}
    plain = raw.predict_proba(valid)["label"].to_numpy()
    np.testing.assert_allclose(calibrated, softmax(np.log(plain.astype(float)) / temperature, axis=1), rtol=1e-6)
    with predictor.model.as_measured():
        errors = np.abs(predictor.predict(valid)["price"] - valid["price"])
    assert predictor.calibration["price"].deviation == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    assert predictor.metrics["targets"]["price"]["calibration"] == {
        "deviation": predictor.calibration["price"].deviation
    }


def test_evaluate_tells_how_far_to_trust(fitted, noisy):
    predictor, _ = fitted
    test = {name: values[250:] for name, values in noisy.items()}
    found = predictor.evaluate(test)
    label, price = found["trust"]["label"], found["trust"]["price"]
    assert label["ece"] == found["metrics"]["label.ece"]["value"]
    assert sum(row["rows"] for row in label["reliability"]) == 150
    sets = predictor.predict_sets(test, coverage=0.9)
    assert label["sets"]["covered"] == np.mean([t in s for t, s in zip(test["label"], sets["label"], strict=True)])
    assert label["sets"]["size"] == pytest.approx(sets["label"].map(len).mean())
    hit = sets["price"]["low"].le(test["price"]) & sets["price"]["high"].ge(test["price"])
    assert price["sets"]["covered"] == pytest.approx(hit.mean())
    assert price["sets"]["size"] == pytest.approx((sets["price"]["high"] - sets["price"]["low"]).mean())
    json.dumps(found)


def test_a_run_from_before_calibration_answers_as_it_did(fitted, noisy, tmp_path):
    predictor, _ = fitted
    predictor = sm.Predictor(*(getattr(predictor, name) for name in (
        "config", "schema", "readers", "coders", "model", "metrics", "history", "found", "run",
    )))  # fmt: skip
    assert predictor.calibration["label"] == Calibration()
    found = predictor.evaluate(pd.DataFrame({name: list(values) for name, values in noisy.items()}))
    assert "sets" not in found["trust"]["label"]
    with pytest.raises(
        sm.SensoriumError, match="target 'price' was not calibrated on validation rows, so it has no sets"
    ):
        predictor.predict_sets(noisy)
