"""Whole federations in one process."""

import copy

import pytest

import sensorium as sm
from sensorium.errors import ConfigError, TrainingError
from sensorium.federated.front import simulate


@pytest.fixture
def learn(members, member_config):
    def run(**more):
        more.setdefault("by", "site")
        more["terms"] = {"rounds": 4, "epochs": 2, **more.get("terms", {})}
        return simulate(members, "label", config=copy.deepcopy(member_config), **more)

    return run


def accuracy(predictor, members):
    return predictor.evaluate(members)["metrics"]["accuracy"]["value"]


@pytest.mark.parametrize(
    "terms",
    [{"strategy": "fedprox", "proximal": 0.01}, {"strategy": "fedadam", "rounds": 8}, {"secure": True, "sites": 3}],
    ids=["fedprox", "fedadam", "secure"],
)
def test_sites_learn_together(learn, members, terms):
    assert accuracy(learn(terms=terms), members) > 0.9


def test_the_run_is_one_like_any_other(learn, members, tmp_path):
    lines = []
    made = learn(out=tmp_path / "run", say=lines.append)
    run = sm.load(tmp_path / "run")
    assert accuracy(run, members) == accuracy(made, members) > 0.9
    assert list(run.history["epoch"]) == [1, 2, 3, 4]
    assert run.metrics["targets"]["label"]["valid"]["accuracy"]["value"] > 0.9
    assert run.run["federated"]["sites"]["north"] == {"rows": 51, "inputs": ["photo", "columns"]}
    assert run.run["rows"] == {"train": 103, "valid": 17}
    assert sum("round" in line for line in lines) == 4
    assert run.report(members, time_limit=5).html.startswith("<!doctype html>")
    with pytest.raises(ConfigError, match="already holds a run"):
        learn(out=tmp_path / "run")


def test_sites_that_lack_an_input_do_not_hold_the_others_back(learn, members):
    predictor = learn(lacks=["south:photo", "west:photo"])
    assert predictor.run["federated"]["sites"]["south"]["inputs"] == ["columns"]
    assert accuracy(predictor, members) > 0.9


def test_rounds_go_on_while_a_site_is_away(learn, members):
    predictor = learn(away=lambda name, number: name == "west" and number in (2, 3))
    assert predictor.history["sites"].tolist() == [3, 2, 2, 3]
    assert accuracy(predictor, members) > 0.9
    with pytest.raises(TrainingError, match=r"1 sites take part after 0.1 s; a round needs 2"):
        learn(away=lambda name, number: name != "west" and number == 2)


def test_noise_says_what_it_comes_to(learn):
    lines = []
    predictor = learn(terms={"noise": 1.0, "clip": 0.5, "rounds": 1}, say=lines.append)
    words = "what 1 rounds tell of any one site is (4.38, 1e-05)-differentially private."
    assert f"warning: {words}" in lines
    assert predictor.metrics["warnings"] == [words]


def test_sites_by_shares(learn, members):
    predictor = learn(by=None, sites=3, alpha=5.0, ignore=["site"])
    assert set(predictor.run["federated"]["sites"]) == {"site1", "site2", "site3"}
    assert "site" not in predictor.schema.columns


def test_numbers_and_labels_are_learned_as_well(members, member_config):
    import numpy as np
    import pandas as pd

    rows = pd.read_csv(members, dtype=str)
    rows["price"] = (rows["x"].astype(float) * 3 + 7 + np.arange(len(rows)) % 2).map("{:.3f}".format)
    rows["tags"] = ["a|b" if float(x) > 0 else "b" for x in rows["x"]]
    config = {
        **copy.deepcopy(member_config),
        "targets": {"tags": {"task": "multilabel"}, "price": {"task": "regression"}},
    }
    predictor = simulate(
        rows.drop(columns="label"), ["tags", "price"], by="site", config=config, media_root=members.parent,
        terms={"rounds": 8, "epochs": 2},
    )  # fmt: skip
    found = predictor.evaluate(rows, media_root=members.parent)["metrics"]
    assert found["price.r2"]["value"] > 0.8
    assert found["tags.micro_f1"]["value"] > 0.9
    assert "price/mae" in predictor.history.columns
