"""Curves for other tools: CSV files and TensorBoard's, also of a training that is gone on with."""

import sys

import numpy as np
import pandas as pd
import pytest

import sensorium as sm
from sensorium.errors import ConfigError
from sensorium.training.loggers import RECORDS, CsvLogger, check_loggers, logged
from sensorium.training.parts import part_of

QUICK = {"epochs": 3, "batch_size": 8, "precision": "32", "probes": False, "threads": 1, "wide": False}


class Killed(Exception):
    pass


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    a = random.normal(size=(56, 4))
    return {"a": a, "label": np.where(a[:, 0] > 0, "yes", "no")}


def told(step, steps=100, **more):
    common = {"epoch": 1, "epochs": 1, "learning_rate": 0.1, "rows": 8 * step, "seconds": 2.0, "waited": 0.5}
    return {"step": step, "steps": steps, "loss": float(step), **common, **more}


def scalars(folder):
    """Every curve that TensorBoard would show: (step, value) by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return {name: [(e.step, e.value) for e in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_a_fit_logs_what_its_report_is_told(rows, tmp_path):
    heard = []
    run = tmp_path / "run"
    predictor = sm.fit(rows, "label", out=run, log=["csv", "tensorboard"], report=heard.append, **QUICK)
    steps, epochs = (pd.read_csv(run / "logs" / name) for name in ("steps.csv", "epochs.csv"))
    count = heard[-1]["steps"]
    assert steps["step"].tolist() == list(range(1, count + 1))
    assert count == 3 * 6  # of 48 rows
    of_steps = [one for one in heard if "row" not in one]
    np.testing.assert_allclose(steps["loss"], [one["loss"] for one in of_steps])
    assert [one["rows"] for one in of_steps] == 3 * [8, 16, 24, 32, 40, 48]
    np.testing.assert_allclose(steps["rows_per_second"], [one["rows"] / one["seconds"] for one in of_steps])
    assert all(0 <= one["waited"] <= one["seconds"] for one in of_steps)
    assert steps["waiting_share"].between(0, 1).all()
    # An epoch's row is that of the history, and the mean of its steps is its loss: all batches are of one size.
    pd.testing.assert_frame_equal(epochs.drop(columns="step"), predictor.history, check_dtype=False)
    assert epochs["step"].tolist() == [6, 12, 18]
    np.testing.assert_allclose(steps.groupby("epoch")["loss"].mean(), epochs["train_loss"], rtol=1e-6)
    curves = scalars(run / "logs")
    assert curves["steps/loss"] == [
        (s, pytest.approx(v, rel=1e-6)) for s, v in zip(steps["step"], steps["loss"], strict=True)
    ]
    assert curves["epochs/valid_loss"] == [
        (6 * (e + 1), pytest.approx(v, rel=1e-6)) for e, v in enumerate(epochs["valid_loss"])
    ]
    assert set(curves) == {f"steps/{n}" for n in steps if n != "step"} | {f"epochs/{n}" for n in epochs if n != "step"}
    assert len(sm.load(run).predict(rows)) == 56


def test_a_killed_fit_goes_on_with_its_logs(rows, tmp_path):
    def stop(told):
        if told["step"] == 9:  # in the second epoch, of which no checkpoint is kept
            raise Killed

    run, both = tmp_path / "run", ["csv", "tensorboard"]
    with pytest.raises(Killed):
        sm.fit(rows, "label", out=run, log=both, report=stop, **QUICK)
    assert pd.read_csv(run / "logs" / "steps.csv")["step"].tolist() == list(range(1, 10))
    sm.fit(rows, "label", out=run, log=both, resume=True, **QUICK)
    assert pd.read_csv(run / "logs" / "steps.csv")["step"].tolist() == list(range(1, 19))
    assert pd.read_csv(run / "logs" / "epochs.csv")["step"].tolist() == [6, 12, 18]
    assert [step for step, _ in scalars(run / "logs")["steps/loss"]] == list(range(1, 19))


def test_long_trainings_are_thinned_and_short_names_kept_apart(tmp_path):
    with logged(["csv"], tmp_path, lambda _: None) as report:
        for step in range(1, 5001):
            report(told(step, steps=5000))
        for part in (
            "fold 1 of 3, without 'a/b\n" + 90 * "x" + "'",
            "fold 1 of 3, without 'a/b\n" + 90 * "x" + "', 'y' alone",
        ):
            part_of(report, part)(told(1))
        part_of(report, "../../up")(told(1))
        part_of(report, "照片 alone")(told(1))
    steps = pd.read_csv(tmp_path / "steps.csv")
    each = 5000 // RECORDS
    assert steps["step"].tolist() == list(range(each, 5001, each))
    np.testing.assert_allclose(steps["loss"], steps["step"] - (each - 1) / 2)  # the mean of those since the last
    assert steps["rows_per_second"].iloc[0] == 8 * each / 2
    assert (steps["waiting_share"] == 0.25).all()
    folders = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert len(folders) == 4
    assert {"up", "照片-alone"} < set(folders)
    assert max(map(len, folders)) <= 61
    assert not (tmp_path.parent / "up").exists()


def test_a_file_that_a_kill_has_torn_is_gone_on_with(tmp_path):
    (tmp_path / "steps.csv").write_text("step,loss\n1,0.5\n2,0.25\n3")
    logger = CsvLogger(tmp_path, 3)
    logger.write("steps", 3, {"loss": 0.125})
    logger.close()
    assert (tmp_path / "steps.csv").read_text().split() == ["step,loss", "1,0.5", "2,0.25", "3,0.125"]


def test_what_a_csv_file_has_no_column_for_is_left_out(tmp_path):
    logger = CsvLogger(tmp_path, 1)
    logger.write("epochs", 1, {"valid_loss": 1.0})
    logger.write("epochs", 2, {"valid_loss": 2.0, "new": 3.0})
    logger.close()
    assert (tmp_path / "epochs.csv").read_text().split() == ["step,valid_loss", "1,1.0", "2,2.0"]


def test_an_error_while_training_closes_the_files(tmp_path):
    def stop(_):
        raise Killed

    with pytest.raises(Killed), logged(["csv", "tensorboard"], tmp_path, stop) as report:
        report(told(1))
    assert scalars(tmp_path)["steps/loss"] == [(1, 1.0)]


def test_pretraining_and_adapting_log_too(rows, tmp_path):
    run, more = tmp_path / "run", {k: v for k, v in QUICK.items() if k != "wide"}
    sm.pretrain({**rows, "b": rows["a"]}, ignore=["label"], out=run, log=["csv"], **more)
    assert "valid_contrast" in pd.read_csv(run / "logs" / "epochs.csv")
    sm.fit(rows, "label", out=tmp_path / "fit", **{**QUICK, "epochs": 1})
    sm.adapt(tmp_path / "fit", rows, out=tmp_path / "adapted", train="heads", log=["csv"], **{**more, "epochs": 1})
    assert len(pd.read_csv(tmp_path / "adapted" / "logs" / "epochs.csv")) == 1


def test_what_cannot_be_logged_is_refused_before_anything_is_read(monkeypatch):
    for learn in (sm.fit, sm.pretrain, lambda table, **more: sm.adapt("gone", table, **more)):
        with pytest.raises(
            ConfigError,
            match=r"log: unknown logger 'tensorbord'. Did you mean 'tensorboard'\? There are: csv, tensorboard",
        ):
            learn("gone.csv", out="run", log=["tensorbord"])
        with pytest.raises(ConfigError, match=r"log writes to the run folder, and there is none. Give out \(--out\)"):
            learn("gone.csv", log=["csv"])
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(
        ConfigError, match=r"log tensorboard needs tensorboard. Install it with: pip install 'sensorium\[tensorboard\]'"
    ):
        check_loggers(["tensorboard"], "run")
    check_loggers(["csv"], "run")
