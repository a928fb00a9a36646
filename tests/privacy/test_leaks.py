"""Which rows a run learned from, attacked from the run's files and the tables."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import sensorium as sm
from sensorium.cli import app
from sensorium.data.table import read_table
from sensorium.errors import ConfigError, DataError
from sensorium.privacy.losses import row_losses

CONFIG = {"inputs": {"a": {"modality": "vector"}}, "fusion": {"type": "concat", "width": 64}}
QUICK = {"epochs": 60, "batch_size": 32, "threads": 1, "probes": False, "wide": False, "patience": 60,
         "learning_rate": 0.01, "modality_dropout": 0.0, "weight_decay": 0.0}  # fmt: skip


def write(path, count, seed):
    """Rows of 30 numbers whose label is drawn: what is known of one was learned by heart."""
    random = np.random.default_rng(seed)
    cells = [json.dumps(random.normal(size=30).round(3).tolist()) for _ in range(count)]
    pd.DataFrame({"a": cells, "label": random.choice(["no", "yes"], count)}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run that knows its rows by heart, and the tables."""
    folder = tmp_path_factory.mktemp("leaks")
    tables = {name: write(folder / f"{name}.csv", 120, seed) for seed, name in enumerate(("train", "test"))}
    config = {**CONFIG, "targets": {"label": {"label_smoothing": 0.0, "dropout": 0.0}}}
    # Validated with the same rows: the epoch that knows them best is kept.
    sm.fit(tables["train"], "label", valid=tables["train"], config=config, out=folder / "run", **QUICK)
    return folder, tables


def test_the_loss_tells_what_was_learned_by_heart(made):
    folder, tables = made
    predictor = sm.load(folder / "run")
    found = predictor.privacy(tables["test"], tables["train"])
    told = found["targets"]["label"]["loss"]
    assert found["rows"] == {"learned": predictor.run["rows"]["train"], "unseen": 120}
    assert told["auc"]["low"] > 0.8
    assert told["advantage"]["low"] > 0.5
    assert told["advantage_yeom"]["value"] > 0.3


def test_losses_are_those_of_the_probabilities(made):
    folder, tables = made
    predictor = sm.load(folder / "run")
    losses, mask = row_losses(predictor, read_table(tables["test"]), lambda _: None)["label"]
    shares = predictor.predict_proba(tables["test"])
    truth = pd.read_csv(tables["test"])["label"]
    expected = [-np.log(float(shares.loc[row, label])) for row, label in enumerate(truth)]
    assert losses == pytest.approx(expected, rel=1e-4)
    assert mask.all()


def test_shadow_models_attack_too_and_the_command_writes_all(made, tmp_path):
    folder, tables = made
    words = ["evaluate", folder / "run", tables["test"], "--privacy", "--train", tables["train"], "--shadows", "2"]
    done = CliRunner().invoke(app, [*map(str, words), "-o", str(tmp_path / "leaks.csv")])
    assert done.exit_code == 0, done.output
    assert "2 shadow models" in done.output
    frame = pd.read_csv(tmp_path / "leaks.csv").set_index(["attack", "metric"])
    assert set(frame.index) == {
        *((attack, metric) for attack in ("loss", "shadows") for metric in ("advantage", "auc", "tpr_at_1_fpr")),
        ("loss", "advantage_yeom"),
    }
    assert frame.loc[("shadows", "auc"), "low"] > 0.6


def test_rows_that_the_run_has_seen_are_no_unseen_ones(made):
    folder, tables = made
    predictor = sm.load(folder / "run")
    with pytest.raises(DataError, match=r"the run has seen every row of train\.csv"):
        predictor.privacy(tables["train"], tables["train"])


def test_another_table_is_not_what_was_learned_from(made):
    folder, tables = made
    with pytest.raises(DataError, match=r"test\.csv is not the file that the run learned from, or it has changed"):
        sm.load(folder / "run").privacy(tables["test"], tables["test"])


def test_a_run_from_memory_needs_exactly_its_rows(made):
    _, tables = made
    train, test = pd.read_csv(tables["train"]), pd.read_csv(tables["test"])
    predictor = sm.fit(train, "label", valid=test.iloc[:20], config=CONFIG, **{**QUICK, "epochs": 1})
    with pytest.raises(DataError, match=r"they are 120; the table has 100\. Give those alone"):
        predictor.privacy(test, train.iloc[:100])
    assert predictor.privacy(test.iloc[20:], train)["rows"] == {"learned": 120, "unseen": 100}


def test_validation_rows_that_the_linear_part_learned_from_are_refused(made, tmp_path):
    _, tables = made
    predictor = sm.fit(tables["train"], "label", valid=tables["test"], config=CONFIG,
                       **{**QUICK, "epochs": 1, "wide": True})  # fmt: skip
    with pytest.raises(DataError, match=r"test\.csv is what the run was validated with, and its linear part"):
        predictor.privacy(tables["test"], tables["train"])
    predictor.metrics["refit"], said = False, []
    predictor.privacy(tables["test"], tables["train"], say=said.append)
    assert any("its epoch was chosen by these rows" in line for line in said)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--privacy"], "--privacy and --train TABLE, what the run learned from, go together"),
        (["--train", "x.csv"], "--privacy and --train TABLE, what the run learned from, go together"),
        (["--privacy", "--train", "x.csv", "--by", "label"], "--privacy goes neither with --robustness nor with --by"),
    ],
)
def test_options_that_do_not_go_together(made, words, message):
    folder, tables = made
    done = CliRunner().invoke(app, ["evaluate", str(folder / "run"), str(tables["test"]), *words])
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)


def test_shadow_models_come_in_pairs(made):
    folder, tables = made
    with pytest.raises(ConfigError, match="shadows must be an even number from 2 on, since they learn in pairs; got 3"):
        sm.load(folder / "run").privacy(tables["test"], tables["train"], shadows=3)


def test_numbers_have_no_shadow_attack_but_the_loss_one():
    random = np.random.default_rng(0)
    rows = {"a": random.normal(size=(40, 5)), "price": random.normal(size=40) * 7 + 3}
    other = {"a": random.normal(size=(30, 5)), "price": random.normal(size=30) * 7 + 3}
    config = {**CONFIG, "targets": {"price": {"task": "regression"}}}
    predictor = sm.fit(rows, "price", valid=other, config=config, **{**QUICK, "epochs": 1})
    losses, _ = row_losses(predictor, read_table(other), lambda _: None)["price"]
    scale = predictor.coders["price"].scale
    assert losses == pytest.approx(((predictor.predict(other) - other["price"]) / scale).to_numpy() ** 2, rel=1e-3)
    with pytest.raises(ConfigError, match="shadows are for targets with classes; price has none"):
        predictor.privacy(other, rows, shadows=2)
