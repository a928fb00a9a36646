"""Several trials at once on a real local Ray cluster, the process of one of them killed: one journal, one best.yaml."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml

import sensorium as sm
from sensorium.cluster.tune import tune
from sensorium.errors import DataError

SMALL = {"epochs": 2, "precision": "32", "batch_size": 16, "wide": False, "threads": 1}


def trials():
    """The numbers of the processes that fit a trial."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_fit"):
                found.append(int(path.parent.name))
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.timeout(900)  # processes of a cluster take long to start where others are at work
def test_trials_at_once_and_one_process_killed(local_cluster, tmp_path):
    random = np.random.default_rng(0)
    pose = random.normal(size=(60, 3))
    rows = {"pose": pose, "label": np.where(pose[:, 0] > 0, "yes", "no")}
    options = {"out": tmp_path, "only": ["training.learning_rate"], "pruner": "none", **SMALL}
    killed, together, lines = [], [], []

    def kill(told):
        together.append(len(trials()))
        if not killed and trials():
            killed.append(max(trials()))
            os.kill(killed[0], signal.SIGKILL)

    found = tune(rows, "label", workers=2, trials=3, report=kill, say=lines.append, **options)
    assert killed
    assert max(together) == 2
    assert "2 trials at once, each on 1 processors." in lines
    assert found.frame["state"].tolist() == ["finished"] * 3
    assert found.frame["note"][0] == "the defaults"
    assert found.score == found.frame["score"].max()
    assert yaml.safe_load((tmp_path / "best.yaml").read_text()) == found.config
    assert sm.load(tmp_path / "best").metrics["targets"]["label"]["valid"]["accuracy"]["value"] == found.score
    assert not list((tmp_path / "trials").glob("*"))
    # The journal is that of any tuning: here it goes on, one trial after another.
    lines.clear()
    again = sm.tune(rows, "label", trials=4, say=lines.append, **options)
    assert lines[0] == "3 of 4 trials are there."
    assert again.frame["score"].tolist()[:3] == found.frame["score"].tolist()


def test_defaults_that_can_not_be_fitted_are_an_error(local_cluster, tmp_path):
    rows = {"photo": [f"{row}.png" for row in range(30)], "label": ["yes", "no"] * 15}
    with pytest.raises(DataError, match="all inputs are missing or can't be read in every row looked at"):
        tune(rows, "label", out=tmp_path, workers=1, trials=2, modalities={"photo": "image"}, **SMALL)
