"""Scores of each group of rows, against scikit-learn on those rows alone."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, root_mean_squared_error

import sensorium as sm
from sensorium.errors import ConfigError, DataError
from sensorium.evaluation.by_group import flat_groups

QUICK = {"epochs": 2, "batch_size": 16, "precision": "32", "probes": False, "threads": 1, "wide": False}


def rows_of(count=120, seed=0):
    """In the field the answer is turned round in half of the rows, and nothing is known of where some rows are from."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 3))
    site = np.array(["field", "ward", "", "ward"], dtype=object)[np.arange(count) % 4]
    yes = (x[:, 0] > 0) ^ ((site == "field") & (random.random(count) < 0.5))
    return {"x": x, "site": site, "label": np.where(yes, "yes", "no"), "price": 3 * x[:, 0] + (site == "ward") * 9}


@pytest.fixture(scope="module")
def predictor():
    config = {"inputs": {"x": {"modality": "vector"}}, "fusion": {"type": "concat", "width": 16}}
    return sm.fit(rows_of(), "label", config=config, learning_rate=0.02, **QUICK)


def test_each_groups_metrics_are_those_of_its_rows(predictor):
    rows = rows_of(seed=1)
    rows["label"] = rows["label"].astype(object)
    rows["label"][:8] = ""
    found = predictor.evaluate(rows, by="site")
    by, answers, used = found["by"], predictor.predict(rows).to_numpy(), np.arange(120) >= 8
    assert (by["column"], by["main"], by["worst"]) == ("site", "accuracy", "field")
    assert list(by["groups"]) == ["", "field", "ward"]
    for name, group in by["groups"].items():
        own = used & (rows["site"] == name)
        assert group["rows"] == own.sum()
        accuracy = group["metrics"]["accuracy"]
        assert accuracy["value"] == pytest.approx(accuracy_score(rows["label"][own], answers[own]))
        assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
        alone = predictor.evaluate({key: np.array(values, dtype=object)[own].tolist() for key, values in rows.items()})
        assert alone["metrics"] == group["metrics"]
    plain = predictor.evaluate(rows)
    assert {key: value for key, value in found.items() if key != "by"} == plain
    flat = flat_groups(found)
    assert [row["of"] for row in flat[:: len(plain["metrics"])]] == ["all", "site=", "site=field", "site=ward"]
    assert {row["of"] for row in flat if row["worst"]} == {"site=field"}
    assert flat[0] == {"of": "all", "rows": 112, "worst": False, "metric": "accuracy", **plain["metrics"]["accuracy"]}


def test_of_numbers_the_worst_is_the_group_of_the_largest_error():
    rows = rows_of()
    config = {"inputs": {"x": {"modality": "vector"}}, "fusion": {"type": "concat", "width": 16}}
    predictor = sm.fit(rows, ["price", "label"], config=config, **QUICK)
    found = predictor.evaluate(rows, by="site")["by"]
    answers = predictor.predict(rows)["price"].to_numpy(float)
    errors = {}
    for name in ("", "field", "ward"):
        own = rows["site"] == name
        errors[name] = root_mean_squared_error(rows["price"][own], answers[own])
        assert found["groups"][name]["metrics"]["price.rmse"]["value"] == pytest.approx(errors[name], rel=1e-5)
    assert found["main"] == "price.rmse"
    assert found["worst"] == max(errors, key=errors.__getitem__)


def test_a_column_that_cannot_be_grouped_by_is_said(predictor):
    rows = rows_of(240)
    with pytest.raises(DataError, match=r"the table has no column 'sit' to group by. Did you mean 'site'\?"):
        predictor.evaluate(rows, by="sit")
    rows["key"] = [f"k{row}" for row in range(240)]
    with pytest.raises(DataError, match=r"column 'key' of the table has 240 values; groups are scored up to 200."):
        predictor.evaluate(rows, by="key")


def test_a_run_without_answers_has_none_by_group():
    pretrained = sm.pretrain({"x": rows_of(40)["x"]}, config={"inputs": {"x": {"modality": "vector"}}}, epochs=1)
    with pytest.raises(ConfigError, match="has no answers"):
        pretrained.evaluate(rows_of(40), by="site")
