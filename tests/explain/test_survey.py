"""What all rows of a table tell: of functions that are written down, and of models that learned planted signals."""

import builtins

import numpy as np
import pandas as pd
import pytest
from games import game

import sensorium as sm
from sensorium.errors import ConfigError
from sensorium.evaluation.calibration import Calibration
from sensorium.explain import survey as room
from sensorium.explain.survey import loss, survey

NETWORK = {"fusion": {"type": "concat", "width": 16}, "balance": {"method": "none"}}
TRAINING = {"epochs": 12, "batch_size": 32, "precision": "32", "probes": False, "wide": False, "modality_dropout": 0.3}


def seen(function, table, task="binary", calibration=None, **options):
    model, rows, coder = game(function, table, task)
    return survey(model, rows, coder, calibration or Calibration(), 3, **options)


def total(z):
    return sum(z.values())


def test_importance_is_the_mean_size_of_what_an_input_adds():
    a, b = [2.0, -1.0, 3.0, 1.0, -3.0], [0.5, 0.5, None, 0.25, 0.25]
    found = seen(total, {"a": a, "b": b, "label": ["yes", "no", "yes", "yes", "no"]})
    assert found.importance["input"].tolist() == ["a", "b"]
    np.testing.assert_allclose(found.importance["present"], [1.0, 0.8])
    np.testing.assert_allclose(found.importance["size"], [2.0, 0.3], atol=1e-6)
    assert (found.importance["low"] < found.importance["size"]).all()
    assert (found.importance["size"] < found.importance["high"]).all()
    # Worth: of two inputs, half of (what it takes from the loss alone) + (what it takes beside the other).
    sign = np.array([1, -1, 1, 1, -1])
    cost = lambda z: np.log1p(np.exp(-sign * z))  # noqa: E731
    x, y = np.array(a), np.array([0.0 if value is None else value for value in b])
    expected = (cost(0 * x) - cost(x) + cost(y) - cost(x + y)) / 2
    assert found.importance["worth"][0] == pytest.approx(expected.mean(), abs=1e-5)
    total_worth = (cost(0 * x) - cost(x + y)).mean()
    assert found.importance["worth"].sum() == pytest.approx(total_worth, abs=1e-5)
    assert (len(found.answers), found.of) == (5, 5)
    assert found.answers["missing"].tolist() == [[], [], ["b"], [], []]
    np.testing.assert_allclose(found.answers["adds_a"], np.abs(a), atol=1e-6)  # each towards the row's own answer


def test_pairs_that_count_only_together():
    found = seen(lambda z: z["a"] * z["b"] + z["c"], {"a": [2.0, 1.0], "b": [1.0, None], "c": [5.0, 5.0]})
    pairs = found.pairs.set_index(["first", "second"])
    assert pairs.loc[("a", "b"), "mean"] == pytest.approx(2.0, abs=1e-6)
    assert pairs["rows"].tolist() == [1, 2, 1]
    assert pairs.loc[("a", "c"), "size"] == pytest.approx(0.0, abs=1e-6)


def test_rows_that_rest_on_one_input_and_rows_that_turn():
    rows = {
        "a": [2.0, 1.0, 0.5, None, 2.0, -1.0],
        "b": [-0.5, 1.0, -1.0, 1.0, -3.0, -1.0],
        "c": [-0.5, 1.0, -1.0, None, 2.0, 3.0],
    }
    found = seen(total, rows)
    # 1: a alone says yes, without it no; the others change nothing. 5: yes only with both a and c. 6: yes by c alone.
    assert found.alone.to_numpy().tolist() == [[1, "a", "yes"], [6, "c", "yes"]]
    assert found.turns.to_numpy().tolist() == [
        [1, "a", "yes", "no"], [5, "a", "yes", "no"], [5, "c", "yes", "no"], [6, "c", "yes", "no"],
    ]  # fmt: skip
    # 4 has one input only, and 2 the same from all; 3 is no by b and c against a.
    assert found.disagreements["row"].tolist() == [5, 6, 1, 3]
    strongest = found.disagreements.iloc[0]
    assert strongest["says"] == {"a": "yes", "b": "no", "c": "yes"}
    assert strongest["pull"] == pytest.approx(3 / 7)
    assert found.disagreements["pull"].tolist() == pytest.approx([3 / 7, 2 / 5, 1 / 3, 0.5 / 2.5])


def test_a_small_pull_is_no_disagreement():
    found = seen(total, {"a": [2.0, 2.0], "b": [-0.2, -0.3]})
    assert found.disagreements["row"].tolist() == [2]  # 0.2 of 2.2 is less than a tenth


def test_numbers_differ_where_they_do_by_more_than_the_typical_error():
    rows = {"a": [2.0, 0.1], "b": [0.1, 0.2]}
    found = seen(total, rows, "regression", Calibration(deviation=3.0))  # in the target's unit: 1.5 standardised
    assert found.tolerance == 3.0
    assert found.turns["row"].tolist() == found.alone["row"].tolist() == [1]
    assert found.turns["answer"][0] == pytest.approx(14.2)
    assert found.turns["without"][0] == pytest.approx(10.2)
    assert found.label_errors is None
    assert seen(total, rows, "regression").tolerance == 2.0  # of a run without calibration the target's deviation
    assert seen(total, rows).tolerance is None


def test_a_table_without_the_target_has_neither_worth_nor_label_errors():
    found = seen(total, {"a": [2.0, 1.0]})
    assert found.importance["worth"].isna().all()
    assert found.label_errors is None
    assert found.answers["truth"].tolist() == [None, None]
    assert "takes from the loss" not in found.html()


def test_labels_that_are_likely_wrong():
    random = np.random.default_rng(0)
    values = np.where(np.arange(80) % 2 == 0, 3.0, -3.0) + 0.5 * random.normal(size=80)
    labels = np.where(values > 0, "yes", "no").astype(object)
    for row in (4, 9, 30):
        labels[row] = "no" if labels[row] == "yes" else "yes"
    labels[50] = ""
    table = {"a": values.tolist(), "label": labels.tolist()}
    found = seen(total, table).label_errors
    assert set(found["row"]) <= {5, 10, 31}  # as many as the noise's estimated rate tells
    assert len(found) >= 2
    assert found.set_index("row").loc[5, ["label", "suggested"]].tolist() == ["no", "yes"]
    assert found["quality"].is_monotonic_increasing
    assert (found["quality"] < 0.2).all()
    # Of the rows that a run learned from, the answers of models that had not seen them tell: here that 21 alone is wrong.
    own = pd.DataFrame({"row": range(1, 81), "label_no": np.where(labels == "no", 0.9, 0.1)})
    own.loc[20, "label_no"] = 1 - own.loc[20, "label_no"]
    own["label_yes"] = 1 - own["label_no"]
    own["label"] = np.where(own["label_no"] > 0.5, "no", "yes")
    assert seen(total, table, out_of_fold=own).label_errors["row"].tolist() == [21]


def test_without_cleanlab_the_rest_is_still_told(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("cleanlab"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    told = []
    found = seen(total, {"a": [2.0, -1.0], "label": ["yes", "no"]}, say=told.append)
    assert told == ["finding likely label errors needs cleanlab. Install it with: pip install 'sensorium[explain]'"]
    assert found.label_errors is None
    assert found.importance["worth"].notna().all()


def test_of_very_many_rows_some_are_asked(monkeypatch):
    monkeypatch.setattr(room, "MOST_ROWS", 4)
    table = {"a": [float(i) for i in range(20)]}
    first, again, other = (seen(total, table, seed=seed) for seed in (1, 1, 2))
    assert (len(first.answers), first.of) == (4, 20)
    assert first.answers["row"].tolist() == again.answers["row"].tolist() != other.answers["row"].tolist()
    assert first.answers["adds_a"].tolist() == [number - 1.0 for number in first.answers["row"]]
    assert "4 of 20 rows" in first.html()


def test_losses():
    shares = np.array([[[0.25, 0.75], [0.5, 0.5]]])
    np.testing.assert_allclose(loss("binary", np.array([1.0, 0.0]), shares), -np.log([[0.75, 0.5]]))
    np.testing.assert_allclose(loss("classification", np.array([0, 1]), shares), -np.log([[0.25, 0.5]]))
    labels = loss("multilabel", np.array([[0, 1], [1, 1]]), shares)
    np.testing.assert_allclose(labels, [[-np.log(0.75), -np.log(0.5)]])
    assert np.isfinite(loss("binary", np.array([1.0]), np.array([[[1.0, 0.0]]]))).all()


# Models that learned.


def planted(rows, seed, shuffled=False):
    """`told` tells the label, `noise` nothing."""
    random = np.random.default_rng(seed)
    label = np.arange(rows) % 2
    told = random.normal(size=(rows, 4)) + 2.0 * label[:, None]
    if shuffled:
        label = random.permutation(label)
    noise = random.normal(size=(rows, 4))
    return {"told": list(told), "noise": list(noise), "label": np.where(label == 1, "yes", "no")}


@pytest.fixture(scope="module")
def predictor():
    return sm.fit(planted(160, 0), "label", config={**NETWORK, "training": TRAINING})


def test_the_input_that_tells_the_label_is_the_one_that_matters(predictor):
    found = predictor.overview(planted(120, 1))
    told, noise = (found.importance.set_index("input").loc[name] for name in ("told", "noise"))
    assert told["low"] > noise["high"]
    assert told["worth_low"] > 0.2
    assert noise["worth_high"] < 0.1
    assert set(found.turns["input"]) <= {"told", "noise"}
    assert (found.alone["input"] == "told").mean() > 0.8


def test_a_model_of_shuffled_labels_explains_differently(predictor):
    shuffled = sm.fit(planted(160, 0, shuffled=True), "label", config={**NETWORK, "training": TRAINING})
    rows = planted(120, 1)
    real, chance = (model.overview(rows).importance.set_index("input") for model in (predictor, shuffled))
    assert real.loc["told", "worth_low"] > 0.2 > chance.loc["told", "worth_high"]
    assert real.loc["told", "low"] > chance.loc["told", "high"]


def test_label_errors_of_the_rows_that_a_run_learned_from():
    """Labels turned before training: the folds' models, that had not seen a row, find most; chance finds 0.3 of 6."""
    table = planted(160, 0)
    wrong = [3, 40, 77, 100, 121, 150]
    for row in wrong:
        table["label"][row] = "no" if table["label"][row] == "yes" else "yes"
    predictor = sm.fit(table, "label", folds=2, config={**NETWORK, "training": TRAINING})
    found = predictor.overview(table, out_of_fold=True).label_errors["row"] - 1
    assert len(set(found) & set(wrong)) >= 4
    assert len(found) <= 12


def test_out_of_fold_needs_folds(predictor):
    with pytest.raises(ConfigError, match=r"this run has no out-of-fold answers\. Fit one with --folds"):
        predictor.overview(planted(20, 1), out_of_fold=True)
