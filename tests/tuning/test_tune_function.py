"""A whole tuning: what it finds and writes, how it goes on after a kill, and how it ends when time or a trial fails."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import accuracy_score

import sensorium as sm
from sensorium.errors import ConfigError, SensoriumError, TrainingError
from sensorium.export.archive import read_json
from sensorium.tuning import library
from sensorium.tuning.journal import Journal

RATE = ["training.learning_rate"]
SMALL = {
    "inputs": {"note": {"modality": "text", "encoder": "bag"}, "age": {}},
    "fusion": {"width": 16},
    "training": {"epochs": 2, "precision": "32", "batch_size": 16},
}


def run(told, out, trials=12, **more):
    return sm.tune(told, "label", out=out, trials=trials, **{"only": RATE, "ignore": ["price"], **more})


def runs(out):
    return sorted(str(path.parent.relative_to(out)) for path in out.rglob("run.json"))


def test_a_better_choice_is_found_and_kept(told, fits, tmp_path):
    lines = []
    found = run(told, tmp_path, pruner="none", say=lines.append)
    rate = found.config["training"]["learning_rate"]
    assert found.score > found.defaults == pytest.approx(0.5 ** np.log10(2))
    assert found.score == pytest.approx(0.5 ** abs(np.log10(rate / 0.002)))
    assert found.score == found.frame["score"].max()
    assert list(found.frame["trial"]) == list(range(12))
    assert found.frame["note"][0] == "the defaults"
    assert yaml.safe_load((tmp_path / "best.yaml").read_text()) == found.config
    assert found.config["training"]["probes"] is True  # which a fit has, though trials have not
    assert runs(tmp_path) == ["best", "defaults"]
    assert read_json(tmp_path / "best" / "run.json")["score"] == found.score
    assert found.importance == {"training.learning_rate": 1.0}
    assert (tmp_path / "importance.svg").read_text().startswith("<svg")
    table = pd.read_csv(tmp_path / "trials.csv")
    assert table["score"].tolist() == pytest.approx(found.frame["score"].tolist())
    told_of = read_json(tmp_path / "tuning.json")
    assert told_of["best"]["score"] == found.score
    assert told_of["trials"] == {"finished": 12, "cut short": 0, "failed": 0}
    gain = f"{found.score - found.defaults:.3f} better than the defaults ({found.defaults:.3f})"
    assert f"Trial {found.trial} is best: accuracy {found.score:.3f} on 12 validation rows, {gain}." in found.sentence
    assert "its score flatters it" in found.sentence
    assert "--test TABLE" in found.sentence
    assert lines[0] == "1 choices; the first trial is that of the defaults."
    assert lines[1].startswith(f"1/12 trial 0: {found.defaults:.3f}, ")
    assert any(line.endswith("the best so far") for line in lines[2:])
    assert len(lines) == 13


def test_it_never_ends_below_the_defaults(told, fits, tmp_path):
    fits.before = lambda count: fits.ran and (_ for _ in ()).throw(TrainingError("the loss is nan."))
    found = run(told, tmp_path, trials=3)
    assert (found.trial, found.score) == (0, found.defaults)
    assert "The defaults are best" in found.sentence
    assert list(found.frame["state"]) == ["finished", "failed", "failed"]
    assert runs(tmp_path) == ["best", "defaults"]


def test_called_again_it_goes_on(told, fits, tmp_path):
    first = run(told, tmp_path, trials=3)
    assert len(fits.ran) == 3
    again = run(told, tmp_path, trials=3)
    assert len(fits.ran) == 3
    assert again.trial == first.trial
    pd.testing.assert_frame_equal(again.frame, first.frame)
    more = run(told, tmp_path, trials=9)
    assert len(fits.ran) == 9
    assert more.score >= first.score
    pd.testing.assert_frame_equal(more.frame[:3], first.frame)
    assert read_json(tmp_path / "best" / "tuned.json") == {"trial": more.trial}
    assert runs(tmp_path) == ["best", "defaults"]


def test_stopped_in_the_middle_of_a_trial_it_goes_on_with_that(told, fits, tmp_path):
    def stop(count):
        if count == 3:
            raise KeyboardInterrupt

    fits.before = stop
    with pytest.raises(KeyboardInterrupt):
        run(told, tmp_path, trials=4)
    with Journal(tmp_path, _made_of(tmp_path), {}, 0, "none", 5) as journal:
        rate = next(t for t in journal.study.trials if t.state.name == "WAITING").system_attrs["fixed_params"]
    fits.before = lambda count: None
    found = run(told, tmp_path, trials=4)
    assert len(found.frame) == 4
    assert [Path(folder).name for folder, _ in fits.ran] == ["defaults", "0001", "0002", "0004"]
    assert fits.ran[2][1]["training"]["learning_rate"] == pytest.approx(rate["training.learning_rate"], rel=0.01)


def _made_of(folder):
    """As the journal in a folder has it."""
    from optuna.storages import RDBStorage

    storage = RDBStorage(f"sqlite:///{folder / 'journal.db'}")
    made_of = storage.get_study_user_attrs(1)["made_of"]
    storage.remove_session()
    storage.engine.dispose()
    return made_of


def test_a_killed_process_loses_nothing(told, fits, tmp_path):
    """The process ends in its second trial, at the first line of it."""
    told.to_csv(tmp_path / "table.csv", index=False)
    code = """
import os, sys
from types import SimpleNamespace
import pandas as pd
import sensorium as sm
from sensorium.export.archive import write_json
from sensorium.tuning import trial
def fit(table, *, out, config, report, **more):
    if out.name == "0001":
        report({"step": 1, "epoch": 1, "row": {"epoch": 1, "valid_loss": 0.5}})
        os._exit(9)
    write_json(out / "run.json", {"score": 0.5, "losses": [0.5], "targets": ["label"]})
    return SimpleNamespace(
        coders={"label": SimpleNamespace(task="binary")}, history=pd.DataFrame({"valid_loss": [0.5]}),
        metrics={"targets": {"label": {"valid": {"accuracy": {"value": 0.5}}}}, "stopped": "all epochs done"},
    )
trial.fit = fit
sm.tune(sys.argv[1], "label", out=sys.argv[2], trials=2, only=["training.learning_rate"], ignore=["price"])
"""
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "table.csv", out], check=False)
    assert killed.returncode == 9
    assert not (out / "best").exists()
    found = sm.tune(tmp_path / "table.csv", "label", out=out, trials=2, only=RATE, ignore=["price"])
    assert [Path(folder).name for folder, _ in fits.ran] == ["0001"]
    assert list(found.frame["state"]) == ["finished", "finished"]
    assert found.defaults == 0.5


def test_a_best_run_that_is_gone_is_fitted_again(told, fits, tmp_path):
    import shutil

    found = run(told, tmp_path, trials=6, pruner="none")
    assert found.trial > 0
    shutil.rmtree(tmp_path / "best")
    again = run(told, tmp_path, trials=6, pruner="none")
    assert (again.score, len(fits.ran)) == (found.score, 7)
    assert read_json(tmp_path / "best" / "run.json")["score"] == found.score
    assert fits.ran[-1][1] == {**found.config, "training": {**found.config["training"], "probes": False}}


def test_time_that_is_up_ends_it_and_the_same_command_goes_on(told, fits, tmp_path, monkeypatch):
    from sensorium.tuning import trial, tune

    now = [0.0]
    for module in (trial, tune):
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    fits.before = lambda count: now.__setitem__(0, now[0] + 40)
    lines = []
    found = run(told, tmp_path, trials=9, time_limit=100, pruner="none", say=lines.append)
    assert lines[-1] == "the time is up; the same command goes on with the trial that was stopped."
    assert len(found.frame) == 2  # of 40 s each; the third would have ended after 120 s
    assert len(fits.ran) == 3
    found = run(told, tmp_path, trials=9, time_limit=150, pruner="none", say=lines.append)
    assert len(found.frame) == 5
    assert [Path(folder).name for folder, _ in fits.ran[2:4]] == ["0002", "0002"]
    assert fits.ran[2][1] == fits.ran[3][1]


def test_of_several_targets_the_lowest_loss_is_best(told, fits, tmp_path):
    found = sm.tune(told, ["label", "price"], out=tmp_path, trials=6, only=RATE, pruner="none")
    assert (found.metric, found.falling) == ("validation loss", True)
    assert found.score == found.frame["score"].min() == pytest.approx(found.frame["loss"].min())
    assert found.score < found.defaults == pytest.approx(1 - 0.5 ** np.log10(2))
    gain = f"{found.defaults - found.score:.3f} better than the defaults ({found.defaults:.3f})"
    assert f"validation loss {found.score:.3f} on 12 validation rows, {gain}." in found.sentence


def test_a_score_below_nought_is_told_as_it_is(told, fits, tmp_path, monkeypatch):
    from sensorium.tuning import trial

    monkeypatch.setattr(trial, "score_of", lambda predictor: -0.25)  # as R2 may be
    lines = []
    found = run(told, tmp_path, trials=1, say=lines.append)
    assert found.score == -0.25
    assert lines[1].startswith("1/1 trial 0: -0.250, ")


def test_nothing_comes_to_a_score(told, fits, tmp_path):
    def fail(count):
        raise TrainingError("the loss is nan.")

    fits.before = fail
    with pytest.raises(SensoriumError, match=r"no trial of 2 came to a score\. The last one: the loss is nan\."):
        run(told, tmp_path, trials=2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trials": 0}, "trials must be above 0; got 0"),
        ({"time_limit": -1}, "time_limit must be above 0; got -1"),
        ({"only": ["fusoin"]}, "only: 'fusoin' is nothing that can be tuned"),
        ({"split": {"folds": 3}}, "folds can't be tuned with: every trial would be that many fits"),
        ({"pruner": "best"}, "pruner must be one of median, hyperband, none; got 'best'"),
        ({"config": {"fusion": "gatd"}}, "unknown fusion 'gatd'"),
    ],
)
def test_what_can_not_be_asked_for(told, tmp_path, given, message):
    with pytest.raises(ConfigError, match=message):
        run(told, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_without_optuna_it_says_what_to_install(told, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"tuning needs optuna\. Install it with: pip install 'sensorium\[tune\]'"):
        run(told, tmp_path)
    with pytest.raises(ConfigError, match="tuning needs optuna"):
        library.load_optuna()


def test_settings_count_as_written(told, fits, tmp_path):
    asked = {
        "only": (),
        "settings": ["training.learning_rate=0.0005", "inputs.note.encoder.type=rnn", "fusion.type=mean"],
    }
    found = run(told, tmp_path, trials=3, config={"inputs": {"note": {"modality": "text"}, "age": {}}}, **asked)
    chosen = set(found.frame.columns)
    assert {"training.learning_rate", "inputs.note.encoder.type", "fusion.type"}.isdisjoint(chosen)
    assert "training.weight_decay" in chosen
    for _, config in fits.ran:
        assert config["training"]["learning_rate"] == 0.0005
        assert (config["inputs"]["note"]["encoder"]["type"], config["fusion"]["type"]) == ("rnn", "mean")


@pytest.fixture(scope="module")
def tuned(told, tmp_path_factory):
    """A real one: three trials, two of them of other fusions."""
    folder = tmp_path_factory.mktemp("tuned")
    told[:60].to_csv(folder / "train.csv", index=False)
    told[60:].to_csv(folder / "test.csv", index=False)
    heard = []
    found = sm.tune(
        folder / "train.csv", "label", test=folder / "test.csv", out=folder / "out", trials=3, config=SMALL,
        only=["fusion.type", *RATE], ignore=["price"], pruner="none", report=heard.append,
    )  # fmt: skip
    return folder, found, heard


def test_every_trial_has_the_same_rows_on_each_side(tuned):
    folder, found, heard = tuned
    best, defaults = (sm.load(folder / "out" / name) for name in ("best", "defaults"))
    assert best.run["data"] == defaults.run["data"]
    assert best.run["data"]["valid"]["rows"]
    assert {numbers["part"].split(",")[0] for numbers in heard} == {f"trial {number} of 3" for number in (1, 2, 3)}
    assert found.metric == "accuracy"
    assert found.frame["epochs"].tolist() == [2, 2, 2]


def test_the_defaults_are_those_of_a_fit(tuned, told, tmp_path):
    folder, found, _ = tuned
    fitted = sm.fit(folder / "train.csv", "label", config=SMALL, ignore=["price"], probes=False)
    assert fitted.metrics["targets"]["label"]["valid"]["accuracy"]["value"] == pytest.approx(found.defaults)
    kept = sm.load(folder / "out" / "defaults")
    pd.testing.assert_frame_equal(fitted.predict_proba(told), kept.predict_proba(told), atol=1e-5)


def test_the_best_configuration_fits_to_the_best_run(tuned, told):
    folder, found, _ = tuned
    fitted = sm.fit(folder / "train.csv", config=folder / "out" / "best.yaml")
    assert fitted.metrics["targets"]["label"]["valid"]["accuracy"]["value"] == pytest.approx(found.score)
    pd.testing.assert_frame_equal(fitted.predict_proba(told), found.predictor.predict_proba(told), atol=1e-5)


def test_both_are_scored_on_rows_that_no_trial_saw(tuned):
    folder, found, _ = tuned
    rows = pd.read_csv(folder / "test.csv")
    own = found.test["label"]
    for name in ("best", "defaults"):
        answers = sm.load(folder / "out" / name).predict(rows)
        assert own[name] == pytest.approx(accuracy_score(rows["label"], answers))
    gap = own["difference"]
    assert gap["value"] == pytest.approx(own["best"] - own["defaults"])
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert own["rows"] == 20
    assert json.loads((folder / "out" / "tuning.json").read_text())["test"] == found.test
    assert f"On 20 rows to test with, accuracy is {own['best']:.3f}" in found.sentence
    assert "What the score depends on is told from 8 finished trials on." in found.sentence
