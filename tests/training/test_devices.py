"""Several processes of this machine that train one network come to what one comes to."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import sensorium as sm
from sensorium.errors import ConfigError, DataError, TrainingError
from sensorium.training import devices
from sensorium.training.devices import Devices
from sensorium.training.spread import Job


def of_numbers(rows=90):
    """A table of two vectors, one of which a fifth of the rows lacks; the first tells one of three classes."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(rows, 3)), list(random.normal(size=(rows, 3)))
    for row in range(0, rows, 5):
        b[row] = None
    return {"a": a, "b": b, "label": np.digitize(a[:, 0], [-1.2, 0.4]).astype(str)}


def still(**more):
    """Options without chance, which is each process' own."""
    dense = {"type": "dense", "dropout": 0}
    return {
        "inputs": {name: {"modality": "vector", "encoder": dense} for name in "ab"},
        "fusion": {"type": "gated", "width": 16, "dropout": 0},
        "targets": {"label": {"dropout": 0}},
        "imbalance": "class_weights",
        "balance": "auxiliary",
        "training": {
            "epochs": 6, "batch_size": 8, "accumulate": 2, "precision": "32", "probes": False, "wide": False,
            "modality_dropout": 0, "threads": 1, "workers": 0, **more,
        },
    }  # fmt: skip


@pytest.mark.timeout(900)  # processes take long to start where others are at work
def test_two_processes_come_to_what_one_comes_to_also_after_a_kill(tmp_path, monkeypatch):
    rows, started, popen = of_numbers(), [], devices.subprocess.Popen

    def start(*given, **more):
        started.append(popen(*given, **more))
        return started[-1]

    def kill(told):
        if "row" in told and told["epoch"] == 2:
            started[1].kill()

    monkeypatch.setattr(devices.subprocess, "Popen", start)
    again = {"config": still(), "out": tmp_path / "run", "devices": 2}
    with pytest.raises(TrainingError, match=r"ended before its work was done \(exit codes .*-9.*--resume"):
        sm.fit(rows, "label", **again, report=kill)
    assert all(process.returncode is not None for process in started)
    told = []
    two = sm.fit(rows, "label", **again, resume=True, report=told.append)
    one = sm.fit(rows, "label", config=still())
    ours, theirs = one.model.state_dict(), two.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-5, msg=name)
    clock = ["seconds", "waited"]
    pd.testing.assert_frame_equal(two.history.drop(columns=clock), one.history.drop(columns=clock), rtol=1e-4)
    for alone in ("a", "b"):
        losses = [run.metrics["balance"]["valid_loss"]["alone"][alone] for run in (one, two)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    resumed = [row["epoch"] for row in told if "row" in row]
    assert resumed in ([2, 3, 4, 5, 6], [3, 4, 5, 6])
    assert told[-1]["rows"] == one.run["rows"]["train"]  # those of all processes


def test_why_a_process_can_not_go_on_is_raised_here(monkeypatch):
    popen = devices.subprocess.Popen

    def start(command, env, **more):
        """The work of the process, here."""
        for name in ("LOCAL_RANK", "WORLD_SIZE"):
            monkeypatch.setenv(name, env[name])
        with pytest.raises(SystemExit):
            devices._work(Path(command[-1]))
        return popen([sys.executable, "-c", "raise SystemExit(2)"], **more)

    def refuse(*_):
        raise DataError("the table row 3, column 'photo': the file ends early.")

    monkeypatch.setattr(devices.subprocess, "Popen", start)
    monkeypatch.setattr(Job, "run", refuse)
    job = Job({"options": SimpleNamespace(threads=torch.get_num_threads())}, Path(), False, 0.0)
    outcome = Devices(2)(job, print, print)
    with pytest.raises(DataError, match="row 3, column 'photo': the file ends early"):
        job.take(outcome)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("fsdp", "strategy fsdp is not supported: it would give each process a part of every weight"),
        ("dpd", "strategy: unknown value 'dpd'. There is: ddp."),
    ],
)
def test_other_strategies_are_refused(strategy, message):
    with pytest.raises(ConfigError, match=message):
        sm.fit(of_numbers(30), "label", devices=2, strategy=strategy)
