"""Private fits from a table to a run, and what is said of them."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

pytest.importorskip("opacus", reason="privacy needs 'sensorium[private]'")

import sensorium as sm
from sensorium.cli import app
from sensorium.errors import ConfigError
from sensorium.export.card import card
from sensorium.privacy.norms import MaskedGroupNorm, group_norms, without_batch_norm
from sensorium.report.facts import Facts
from sensorium.report.sections.model import model as section
from sensorium.report.source import Found
from sensorium.report.words import Words

SMALL = {"inputs": {"a": {"modality": "vector"}}, "fusion": {"type": "concat", "width": 16}}
QUICK = {"epochs": 2, "batch_size": 20, "threads": 1}


def rows(count=80):
    random = np.random.default_rng(0)
    values = random.normal(size=(count, 4))
    return {"a": values, "label": np.where(values[:, 0] + 0.5 * values[:, 1] > 0, "yes", "no")}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A private run, as fitted and as loaded again, with what was said."""
    said, folder = [], tmp_path_factory.mktemp("private") / "run"
    fitted = sm.fit(rows(), "label", config=SMALL, privacy=8, out=folder, say=said.append, **QUICK)
    return fitted, sm.load(folder), said


def test_the_run_says_what_was_spent(run):
    fitted, loaded, said = run
    told = fitted.metrics["privacy"]
    assert 7.5 < told["epsilon"] <= told["budget"] == 8
    assert told["delta"] == pytest.approx(min(1e-5, 0.1 / 68))
    assert (told["rows"], told["steps"], told["planned_steps"]) == (68, 8, 8)
    assert told["sample_rate"] == pytest.approx(20 / 68)
    assert told["learned_parameters"] == told["all_parameters"] == sum(p.numel() for p in fitted.model.parameters())
    assert loaded.metrics["privacy"] == told
    spent = fitted.history["epsilon"].tolist()
    assert 0 < spent[0] < spent[1] == told["epsilon"]
    assert any(line.startswith("privacy: epsilon 8 at delta 1e-05; noise ") for line in said)
    assert any(line.startswith("privacy: Learned with differential privacy: epsilon 7.") for line in said)


def test_what_is_learned_without_noise_is_off_or_named(run):
    fitted, _, _ = run
    assert fitted.model.wide is None
    assert fitted.model.single is None
    assert fitted.metrics["refit"] is False
    assert "alone" not in fitted.metrics["targets"]["label"]
    assert "train_loss" not in fitted.history
    assert fitted.run["data"]["train"] is None
    outside = " ".join(fitted.metrics["privacy"]["outside"])
    for what in (
        "mean and spread of 'a'",
        "the classes of target 'label'",
        "the validation rows",
        "the number of rows",
    ):
        assert what in outside


def test_the_card_and_the_report_hold_the_statement(run):
    _, loaded, _ = run
    text = card(loaded, "A run")
    assert "## Privacy\n\n- Learned with differential privacy: epsilon 7." in text
    assert "- Not covered: the validation rows" in text
    assert "Training rows of each class" not in text
    page = section(Facts(loaded, "A run", False, Found(None)), Words("en"))
    assert "<h3>Privacy</h3><ul><li>Learned with differential privacy: epsilon 7." in str(page)


def test_a_run_without_privacy_says_nothing_of_it():
    fitted = sm.fit(rows(), "label", config=SMALL, probes=False, precision="32", **{**QUICK, "epochs": 1})
    assert "privacy" not in fitted.metrics
    assert "## Privacy" not in card(fitted, "A run")
    assert {"train_loss"} <= set(fitted.history)


def test_much_is_learned_of_many_rows():
    table = rows(1000)
    fitted = sm.fit(table, "label", config=SMALL, privacy=8, epochs=15, batch_size=100, learning_rate=0.01, threads=1)
    assert fitted.metrics["targets"]["label"]["valid"]["accuracy"]["value"] > 0.85


def test_the_last_epoch_is_kept_whatever_the_validation_rows_say():
    """They are of another sign: each epoch is worse on them, and the first would be the best."""
    table, other = rows(400), rows(60)
    other["label"] = np.where(other["label"] == "yes", "no", "yes")
    fitted = sm.fit(
        table, "label", valid=other, config=SMALL, privacy=8, epochs=6, batch_size=50, learning_rate=0.02, threads=1,
        patience=1,
    )  # fmt: skip
    losses = fitted.history["valid_loss"].tolist()
    assert len(losses) == 6
    assert losses[-1] > losses[0]
    measured = fitted.metrics["targets"]["label"]["valid"]["accuracy"]["value"]
    assert measured == pytest.approx(fitted.history["valid_accuracy"].iloc[-1], abs=1e-6)


class Stopped(Exception):
    pass


def test_a_killed_training_goes_on_with_what_it_has_spent(tmp_path):
    def report(told):
        if told["epoch"] == 3:
            raise Stopped

    given = {"config": SMALL, "privacy": 4, "out": tmp_path / "run", **QUICK, "epochs": 4}
    with pytest.raises(Stopped):
        sm.fit(rows(), "label", report=report, **given)
    seen = []
    fitted = sm.fit(rows(), "label", resume=True, report=lambda told: seen.append(told["epoch"]), **given)
    assert min(seen) == 3
    told = fitted.metrics["privacy"]
    assert (told["steps"], told["planned_steps"]) == (16, 16)
    assert 3.7 < told["epsilon"] <= 4
    assert fitted.history["epsilon"].is_monotonic_increasing
    assert len(fitted.history) == 4


def test_training_stops_at_the_budget():
    options = {"epsilon": 3, "noise": 1.0}
    fitted = sm.fit(rows(), "label", config=SMALL, privacy=options, **{**QUICK, "epochs": 30})
    told = fitted.metrics["privacy"]
    assert 0 < told["steps"] < told["planned_steps"] == 120
    assert 2.5 < told["epsilon"] <= 3
    assert fitted.metrics["stopped"] == "the privacy budget is spent"


def test_rows_go_through_the_memory_some_at_a_time():
    fitted = sm.fit(
        rows(), "label", config=SMALL, privacy={"epsilon": 8, "physical_batch": 3}, **{**QUICK, "epochs": 1}
    )
    assert fitted.metrics["privacy"]["steps"] == 4


def test_a_batch_larger_than_the_table():
    message = (
        r"^training.batch_size must be at most the rows to learn from \(68\) under privacy.epsilon; got 100. Each row"
    )
    with pytest.raises(ConfigError, match=message):
        sm.fit(rows(), "label", config=SMALL, privacy=8, **{**QUICK, "batch_size": 100})


def test_noise_that_does_not_do_for_one_step():
    with pytest.raises(
        ConfigError, match=r"^privacy.noise is too small for one step within privacy.epsilon \(1\); got 0.2"
    ):
        sm.fit(rows(), "label", config=SMALL, privacy={"epsilon": 1, "noise": 0.2}, **QUICK)


def test_a_delta_that_promises_nothing_is_warned_of():
    said = []
    options = {"epsilon": 8, "delta": 0.05}
    fitted = sm.fit(rows(), "label", config=SMALL, privacy=options, say=said.append, **{**QUICK, "epochs": 1})
    assert any(
        line.startswith("warning: privacy.delta is 0.05, 1 / rows (0.015) or more: a method that") for line in said
    )
    assert fitted.metrics["privacy"]["outside"][0].startswith("delta is 1 / rows or more (0.015)")


def test_pictures_by_group_norm_are_saved_and_loaded(tmp_path):
    random = np.random.default_rng(0)
    table = {"photo": list(random.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)), "label": ["yes", "no"] * 20}
    config = {
        "inputs": {"photo": {"modality": "image", "encoder": {"type": "cnn", "channels": [8, 8]}, "size": [16, 16]}},
        "fusion": {"type": "concat", "width": 16},
    }
    options = {"config": config, "privacy": 8, "epochs": 1, "batch_size": 10, "threads": 1, "workers": 0}
    fitted = sm.fit(table, "label", out=tmp_path / "run", **options)
    loaded = sm.load(tmp_path / "run")
    assert not any(isinstance(part, torch.nn.modules.batchnorm._BatchNorm) for part in loaded.model.modules())
    assert len(group_norms(loaded.model)) == len(fitted.metrics["privacy"]["replaced"]) == 4
    assert fitted.metrics["privacy"]["replaced"][0].endswith(": batch norm by group norm")
    np.testing.assert_allclose(loaded.predict_proba(table), fitted.predict_proba(table), atol=1e-6)


def test_the_command_line(tmp_path):
    table = tmp_path / "rows.csv"
    given = rows(60)
    lines = [
        "x,y,label",
        *(f"{a:.3f},{b:.3f},{label}" for (a, b, *_), label in zip(given["a"], given["label"], strict=True)),
    ]
    table.write_text("\n".join(lines) + "\n")
    command = ["fit", str(table), "--target", "label", "--out", str(tmp_path / "run"), "--epochs", "1"]
    done = CliRunner().invoke(app, [*command, "--epsilon", "8", "--delta", "1e-6", "--set", "training.batch_size=20"])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "run" / "metrics.json").read_text())["privacy"]
    assert (told["budget"], told["delta"]) == (8, 1e-6)
    refused = CliRunner().invoke(app, [*command[:5], str(tmp_path / "other"), "--delta", "1e-6"])
    assert isinstance(refused.exception, ConfigError)
    assert str(refused.exception).startswith("privacy.delta needs privacy.epsilon")


def test_a_group_norm_is_numpys_over_the_real_positions():
    torch.manual_seed(0)
    norm = MaskedGroupNorm(2, 6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x, mask = torch.randn(3, 5, 4, 6), torch.tensor([[True] * 5, [True, False, True, False, False], [False] * 5])
    found = norm(x, mask).detach().double().numpy()
    for row in range(3):
        for group in range(2):
            part = slice(3 * group, 3 * group + 3)
            real = x[row, mask[row], :, part].double().numpy()
            if not len(real):
                continue
            scaled = (real - real.mean()) / np.sqrt(real.var() + 1e-5)
            expected = scaled * norm.weight[part].detach().numpy() + norm.bias[part].detach().numpy()
            np.testing.assert_allclose(found[row, mask[row].numpy(), :, part], expected, atol=1e-5)
    assert not found[~mask.numpy()].any()
    whole = norm(x, torch.ones(3, 5, dtype=torch.bool))
    plain = torch.nn.functional.group_norm(x.movedim(-1, 1), 2, norm.weight, norm.bias).movedim(1, -1)
    torch.testing.assert_close(whole, plain)


def test_batch_norms_of_pretrained_bodies_rest_and_stay():
    from sensorium.encoders import Pretrained

    class Body(torch.nn.Module):
        has_cls, even, pooling, hidden, mask_dims = False, True, "mean", 8, 1

        def __init__(self):
            super().__init__()
            self.norm, self.blocks = torch.nn.BatchNorm2d(8), torch.nn.ModuleList()

    model = torch.nn.ModuleDict({"a": Pretrained(Body(), 8), "b": torch.nn.BatchNorm1d(16)})
    assert without_batch_norm(model) == ["b"]
    assert isinstance(model["a"].body.norm, torch.nn.BatchNorm2d)
    assert group_norms(model) == ["b"]
