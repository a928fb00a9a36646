"""What the presets come to in the configuration, and that a run's configuration repeats it."""

import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

import sensorium as sm
from sensorium.data.table import read_table
from sensorium.ensemble.presets import MEMBERS, PRESETS, QUICK, STURDY, begun, with_members
from sensorium.errors import ConfigError
from sensorium.planning import plan
from sensorium.training import fit as training

OTHERS = {"domain": {"column": "shop"}, "imbalance": {"method": "gan"}, "privacy": {"epsilon": 8.0}}


def table_of(rows=80):
    random = np.random.default_rng(0)
    kinds = np.arange(rows) % 2
    return pd.DataFrame(
        {
            "note": [
                f"{'a bright and sunny' if kind else 'a dark and rainy'} day, number {i}"
                for i, kind in enumerate(kinds)
            ],
            "age": random.normal(50, 9, rows),
            "shop": random.choice(["north", "south"], rows),
            "label": np.where(kinds == 1, "yes", "no"),
            "price": kinds + random.normal(size=rows) / 9,
        }
    )


def test_balanced_leaves_a_configuration_as_it_is():
    assert begun("balanced", {"fusion": "film"}, read_table(table_of()), ["label"]) == {"fusion": "film"}


@pytest.mark.parametrize(
    ("given", "rows", "targets", "epochs"),
    [
        ({}, 80, ["label"], 0),
        ({"targets": {"price": None}}, 80, None, 0),
        ({}, 50, ["label"], QUICK),  # too few to be sure
        ({"training": {"wide": False}}, 80, ["label"], QUICK),
        ({"training": {"epochs": 7}}, 80, ["label"], 7),
        ({"training": {"epochs": None}}, 80, ["label"], 0),
        ({"privacy": {"epsilon": 8.0}}, 80, ["label"], QUICK),
        ({"targets": {"note": {"model": "somebody/gpt"}}}, 80, None, QUICK),
        ({}, 400, ["note"], QUICK),  # as many classes as rows
        ({}, 80, ["nothing"], 0),  # which is refused later
    ],
)
def test_fast_trains_no_network_where_a_linear_model_answers(given, rows, targets, epochs):
    found = begun("fast", given, read_table(table_of(rows)), targets)["training"]
    assert (found["epochs"], found["probes"]) == (epochs, False)


def test_an_unknown_preset_is_refused():
    with pytest.raises(
        ConfigError, match=r"unknown preset 'fats'. Did you mean 'fast'\? There are: balanced, best, fast"
    ):
        sm.fit(table_of(), "label", preset="fats")
    assert PRESETS == ("fast", "balanced", "best")


def drawn(given, settings=(), seed=0):
    rows = read_table(table_of())
    given = begun("best", {"training": {"seed": seed}, **given}, rows, ["label"])
    config, _ = plan(rows, "label", given, settings)
    return with_members("best", config, given, settings), config


def test_best_draws_networks_that_differ():
    found, config = drawn({})
    members = found.ensemble.members
    assert len(members) == MEMBERS
    assert (members[0].seed, members[0].fusion, members[0].encoders) == (None, None, {})
    assert [member.seed for member in members[1:]] == list(range(1, MEMBERS))
    fusions = {member.fusion.type for member in members if member.fusion is not None}
    assert fusions
    assert fusions < STURDY - {config.fusion.type}
    assert all(m.fusion.width == config.fusion.width for m in members if m.fusion is not None)
    assert drawn({})[0] == found
    assert drawn({}, seed=1)[0].ensemble != found.ensemble
    assert with_members("balanced", config, {}, ()) == config


@pytest.mark.parametrize(("given", "settings"), [({"fusion": "late"}, ()), ({}, ["fusion.type=late"])])
def test_what_is_written_stays(given, settings):
    found, _ = drawn(given, settings)
    assert found.fusion.type == "late"
    assert all(member.fusion is None for member in found.ensemble.members)


def test_members_that_are_written_stay():
    found, config = drawn({"ensemble": {"members": [{}, {"seed": 9}]}})
    assert found == config
    assert [member.seed for member in found.ensemble.members] == [None, 9]


@pytest.mark.parametrize("name", OTHERS)
def test_of_what_one_network_alone_can_do_there_are_no_members(name):
    found, _ = drawn({name: OTHERS[name]})
    assert found.ensemble.members == ()


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quick") / "run"
    return sm.fit(table_of(), "label", out=folder, preset="fast"), folder


def test_fast_answers_by_the_linear_part_alone(quick):
    predictor, folder = quick
    assert predictor.metrics["stopped"] == "no network is asked for"
    assert predictor.model.wide.shares("label")[0] == 0
    assert predictor.metrics["targets"]["label"]["valid"]["accuracy"]["value"] == 1
    rows = table_of(20).drop(columns="label")
    loaded = sm.load(folder)
    assert loaded.predict(rows).tolist() == predictor.predict(rows).tolist()
    for one in loaded.explain(table_of(4)):
        assert one.base + sum(one.values.values()) == pytest.approx(one.output, abs=1e-4)
    assert "<html" in loaded.report(table_of(20), time_limit=1).html


def test_its_configuration_repeats_it_without_the_preset(quick):
    predictor, folder = quick
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["training"]["epochs"] == 0
    again = sm.fit(table_of(), "label", config=config)
    rows = table_of(20)
    pd.testing.assert_frame_equal(again.predict_proba(rows), predictor.predict_proba(rows))


def test_what_needs_a_network_says_that_there_is_none(quick, tmp_path):
    predictor, _ = quick
    with pytest.raises(ConfigError, match="the run answers by its linear model alone and has no network to go on with"):
        sm.fit(table_of(), "label", start=predictor)
    with pytest.raises(ConfigError, match=r"training.epochs must be 1 or more where a network is to learn; got 0"):
        sm.compress(predictor, table_of(), out=tmp_path / "small", test=table_of(20))
    with pytest.raises(ConfigError, match=r"training.epochs must be 1 or more where a network is to learn; got 0"):
        sm.pretrain(table_of(), epochs=0)


@pytest.mark.parametrize("members", [[], [{}, {"seed": 1}]])
def test_without_time_for_a_network_the_linear_part_answers(members, monkeypatch):
    """As if it had taken 1000 s of 900."""
    more, fit_wide = [0.0], training.fit_wide

    def slow(*args):
        more[0] += 1000
        return fit_wide(*args)

    monkeypatch.setattr(training, "fit_wide", slow)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + more[0]))
    config = {"ensemble": {"members": members}, "training": {"time_limit": 900, "probes": False}}
    predictor = sm.fit(table_of(), "label", config=config)
    assert predictor.metrics["stopped"] == "the time limit"
    assert predictor.model.wide.shares("label")[0] == 0
    assert predictor.predict(table_of(20)).tolist() == table_of(20)["label"].tolist()


def test_without_a_linear_model_no_epochs_are_refused():
    with pytest.raises(
        ConfigError, match=r"training.epochs=0 leaves the answers to the linear model .* 30 to 20,000 rows"
    ):
        sm.fit(table_of(24), "label", epochs=0)
