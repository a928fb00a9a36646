"""K folds: every row answered once, by a model that never saw it; the same after a kill."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from scipy import stats
from sklearn.metrics import accuracy_score, log_loss

import sensorium as sm
from sensorium.data.table import read_table
from sensorium.errors import ConfigError, DataError
from sensorium.training import folds as folds_module
from sensorium.training.folds import over_folds

QUICK = {"probes": False, "precision": "32", "batch_size": 8}

COMMAND = """
import sys, sensorium as sm, numpy as np
random = np.random.default_rng(0)
rows = {"a": random.normal(size=(300, 4)), "patient": np.arange(300) // 3}
rows["label"] = np.where(rows["a"][:, 0] > 0, "yes", "no")
parts = []
def report(told):
    if told["part"] not in parts:
        parts.append(told["part"])
        print(told["part"], flush=True)
sm.fit(rows, "label", out=sys.argv[1], resume="--resume" in sys.argv, split={"by": "patient"}, folds=3, epochs=3,
       batch_size=4, precision="32", probes=False, threads=1, report=report)
"""


@pytest.fixture
def identifiers():
    """Rows that their mark alone tells, which four rows share: learned by heart or not at all."""
    random = np.random.default_rng(0)
    who = np.arange(60) // 4
    mark = np.eye(15)[who]
    return {"mark": mark, "who": who, "label": np.where(random.permutation(np.arange(15) % 2 == 0)[who], "yes", "no")}


def right(rows, predictor):
    answers = predictor.out_of_fold
    return (answers["label"].to_numpy() == rows["label"][answers["row"] - 1]).mean()


def test_no_row_is_answered_by_a_model_that_saw_it(identifiers):
    options = {"epochs": 25, "learning_rate": 0.03, "config": {"inputs": {"mark": {"modality": "vector"}}}, **QUICK}
    options |= {"settings": ["training.modality_dropout=0"], "patience": 25, "batch_size": 12}
    apart = sm.fit(identifiers, "label", folds=3, split={"by": "who"}, **options)
    answers = apart.out_of_fold
    assert answers["row"].tolist() == list(range(1, 61))
    assert answers.groupby(identifiers["who"])["fold"].nunique().max() == 1
    assert sorted(answers["fold"].unique()) == [1, 2, 3]
    # Of a mark that its model never saw nothing can be known; were one of its rows seen, the others would be answered.
    assert right(identifiers, apart) < 0.7
    assert right(identifiers, sm.fit(identifiers, "label", folds=3, **options)) > 0.8


def test_the_answers_are_those_of_each_folds_model(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    rows = {"a": random.normal(size=(61, 3)), "label": ["yes", "no", "03"] * 20 + [""]}
    seen = []
    fit = folds_module.run_fit

    def watched(table, *more):
        seen.append({table.number(row) for row in range(len(table))})
        return fit(table, *more)

    monkeypatch.setattr(folds_module, "run_fit", watched)
    said = []
    predictor = sm.fit(rows, "label", folds=4, epochs=1, out=tmp_path / "run", say=said.append, **QUICK)
    answers = predictor.out_of_fold
    assert list(answers.columns) == ["row", "fold", "label", "label_03", "label_no", "label_yes"]
    assert answers["row"].tolist() == list(range(1, 61))  # the last row has no answer
    for fold in range(4):
        held = set(answers["row"][answers["fold"] == fold + 1])
        assert seen[fold] == set(range(1, 61)) - held
        labels = [rows["label"][row - 1] for row in held]
        assert {label: labels.count(label) for label in labels} == {"yes": 5, "no": 5, "03": 5}
    assert seen[4] == set(range(1, 61 + 1))  # which notes the row without an answer
    assert len(seen) == 5
    probabilities = answers[["label_03", "label_no", "label_yes"]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.idxmax(axis=1).str.removeprefix("label_") == answers["label"]).all()
    truth, shares = np.array(rows["label"][:60]), probabilities.to_numpy(float)
    shares /= shares.sum(axis=1, keepdims=True)  # to the last of float64's digits
    for name, metric in {
        "accuracy": lambda of: accuracy_score(truth[of], answers["label"][of]),
        "log_loss": lambda of: log_loss(truth[of], shares[of], labels=["03", "no", "yes"]),
    }.items():
        found = predictor.metrics["folds"]["metrics"][name]
        wanted = [metric((answers["fold"] == fold + 1).to_numpy()) for fold in range(4)]
        np.testing.assert_allclose(found["values"], wanted, rtol=1e-5)
        assert found["mean"] == pytest.approx(np.mean(wanted), rel=1e-5)
    assert predictor.metrics["folds"]["count"] == 4
    assert [line for line in said if line.startswith("fold 2 of 4: done; accuracy 0.")]
    again = sm.load(tmp_path / "run")
    pd.testing.assert_frame_equal(again.out_of_fold, answers, check_dtype=False)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["folds"] == predictor.metrics["folds"]
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_mean_spread_and_interval():
    scores = [
        {"accuracy": 0.8, "roc_auc": 0.9},
        {"accuracy": 0.7},
        {"accuracy": 0.9, "roc_auc": 0.7},
        {"accuracy": 0.65},
    ]
    found = over_folds(scores)
    values = [0.8, 0.7, 0.9, 0.65]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    wanted = {"mean": np.mean(values), "spread": np.std(values, ddof=1), "low": low, "high": high}
    assert found["accuracy"] == {"values": values, **{name: pytest.approx(value) for name, value in wanted.items()}}
    assert found["roc_auc"]["values"] == [0.9, None, 0.7, None]
    assert found["roc_auc"]["mean"] == pytest.approx(0.8)
    assert over_folds([{"r2": 0.5}, {}])["r2"] == {
        "values": [0.5, None],
        "mean": 0.5,
        "spread": None,
        "low": None,
        "high": None,
    }


def test_several_targets_and_labels_that_a_fold_never_saw():
    random = np.random.default_rng(0)
    rows = {"a": random.normal(size=(40, 3)), "price": random.normal(size=40), "tags": ["a|b", "b"] * 20}
    rows["tags"][5] = "a|rare"
    config = {"inputs": {"a": {}}, "targets": {"price": {"task": "regression"}, "tags": {"task": "multilabel"}}}
    predictor = sm.fit(rows, config=config, folds=4, epochs=1, **QUICK)
    answers = predictor.out_of_fold
    assert set(answers.columns) == {"row", "fold", "price", "tags", "tags_a", "tags_b", "tags_rare"}
    assert answers.notna().all(axis=None)
    assert answers["tags_rare"][5] == 0
    assert {"price.r2", "tags.micro_f1"} <= set(predictor.metrics["folds"]["metrics"])


def test_the_time_limit_is_for_all_fits(monkeypatch):
    limits = []
    fit = folds_module.run_fit

    def watched(table, valid, config, *more):
        limits.append(config.training.time_limit)
        return fit(table, valid, config, *more)

    monkeypatch.setattr(folds_module, "run_fit", watched)
    rows = {"a": np.random.default_rng(0).normal(size=(40, 3)), "label": ["yes", "no"] * 20}
    sm.fit(rows, "label", folds=3, epochs=1, time_limit=40_000, **QUICK)
    assert limits[0] == pytest.approx(10_000, rel=0.01)  # a quarter each, and what the earlier ones leave
    assert limits == sorted(limits)
    assert limits[3] == pytest.approx(40_000, rel=0.02)


def start(folder, *more):
    command = [sys.executable, "-c", COMMAND, str(folder), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out.split("\n")[:-1], err


def test_a_killed_fit_goes_on_with_its_second_fold_to_the_same_result(tmp_path):
    plain, killed = start(tmp_path / "plain"), start(tmp_path / "killed")
    checkpoint = tmp_path / "killed" / "checkpoints" / "fold-2" / "last.ckpt"
    ends = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < ends and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert finish(killed)[1] == ["fold 1 of 3", "fold 2 of 3"]
    assert checkpoint.exists()
    code, parts, err = finish(start(tmp_path / "killed", "--resume"))
    assert code == 0, err
    assert "fold 1 of 3" not in parts  # it was done
    assert parts[-2:] == ["fold 3 of 3", "all rows"]
    assert finish(plain)[0] == 0
    assert (tmp_path / "plain" / "out_of_fold.csv").read_bytes() == (
        tmp_path / "killed" / "out_of_fold.csv"
    ).read_bytes()
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("plain", "killed"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("plain", "killed")]
    assert metrics[0]["folds"] == metrics[1]["folds"]


def test_other_folds_are_not_gone_on_with(tmp_path, monkeypatch):
    rows = {"a": np.random.default_rng(0).normal(size=(40, 3)), "label": ["yes", "no"] * 20}

    def fail(table, *more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(folds_module, "run_fit", fail)
        with pytest.raises(KeyboardInterrupt):
            sm.fit(rows, "label", folds=4, out=tmp_path / "run", epochs=1, **QUICK)
    with pytest.raises(ConfigError, match=r"checkpoints of another training: split\.folds was 4 and is 3\."):
        sm.fit(rows, "label", folds=3, out=tmp_path / "run", resume=True, epochs=1, **QUICK)
    assert not (tmp_path / "run").exists()  # nothing had been learned
    assert len(sm.fit(rows, "label", folds=3, out=tmp_path / "run", epochs=1, **QUICK).out_of_fold) == 40


def test_each_value_is_kept_out_once_and_scored_by_its_name(tmp_path):
    random = np.random.default_rng(0)
    who = np.array(["theo", "ada", ""], dtype=object)[np.arange(60) % 3]
    rows = {"a": random.normal(size=(60, 3)), "who": who}
    rows["label"] = np.where(rows["a"][:, 0] > 0, "yes", "no").astype(object)
    rows["label"][0] = ""  # of theo
    said = []
    options = {"split": {"by": "who"}, "folds": "each", "epochs": 1, **QUICK}
    predictor = sm.fit(rows, "label", out=tmp_path / "run", say=said.append, **options)
    found, answers = predictor.metrics["folds"], predictor.out_of_fold
    assert found["count"] == 3
    assert found["held"] == [
        {"values": [""], "rows": 20}, {"values": ["ada"], "rows": 20}, {"values": ["theo"], "rows": 19}
    ]  # fmt: skip
    right = answers["label"].to_numpy() == rows["label"][answers["row"] - 1]
    for place, name in enumerate(["", "ada", "theo"]):
        own = who[answers["row"] - 1] == name
        assert (answers["fold"][own] == place + 1).all()
        assert found["metrics"]["accuracy"]["values"][place] == pytest.approx(right[own].mean())
    assert any(line.startswith("fold 2 of 3, without 'ada': done; accuracy ") for line in said)
    assert sm.load(tmp_path / "run").config.split.folds == "each"


def test_of_two_values_each_is_answered_from_the_other():
    """Of one value alone no rows of another can validate, so that single rows do."""
    random = np.random.default_rng(0)
    rows = {"a": random.normal(size=(40, 3)), "who": ["ada", "theo"] * 20, "label": ["yes", "yes", "no", "no"] * 10}
    found = sm.fit(rows, "label", split={"by": "who"}, folds="each", epochs=1, **QUICK).metrics["folds"]
    assert [held["values"] for held in found["held"]] == [["ada"], ["theo"]]


def test_each_needs_a_column():
    rows = {"a": np.random.default_rng(0).normal(size=(40, 3)), "label": ["yes", "no"] * 20}
    with pytest.raises(ConfigError, match=r"^split.folds: each needs split.by: one value of that column is kept out"):
        sm.fit(rows, "label", folds="each", **QUICK)


def test_folds_that_cannot_be():
    rows = {"a": np.random.default_rng(0).normal(size=(40, 3)), "label": ["yes"] * 36 + ["no"] * 4, "who": [1, 2] * 20}
    with pytest.raises(DataError, match=r"^target 'label': class 'no' has 4 rows, too few for 5 folds. Take --folds 4"):
        sm.fit(rows, "label", folds=5, **QUICK)
    with pytest.raises(
        DataError, match=r"^there are 2 groups of rows, too few for 3 folds. Take --folds 2, or fewer. Groups are"
    ):
        sm.fit(rows, "label", folds=3, split={"by": "who"}, **QUICK)
    with pytest.raises(ConfigError, match=r"^target 'fold' would be two columns of out_of_fold.csv. Rename it"):
        sm.fit({"a": rows["a"], "fold": rows["label"]}, "fold", folds=3, **QUICK)
    with pytest.raises(ConfigError, match=r"^folds can't go with rows to validate with: each fold is answered by"):
        sm.fit(rows, "label", folds=3, valid=read_table(rows), **QUICK)
