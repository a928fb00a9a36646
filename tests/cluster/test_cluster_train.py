"""Training on a real local Ray cluster: with a worker killed on the way, it comes to what one process comes to."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch

import sensorium as sm
from sensorium.cluster.train import Workers, fit, resources
from sensorium.errors import ConfigError

# Without chance, which is each worker's own; missing inputs, classes that are weighted, and two targets stay.
STILL = {
    "inputs": {
        "photo": {"modality": "image", "size": 16, "encoder": {"type": "flat_cnn", "channels": [4, 8]}},
        "note": {"modality": "text", "encoder": {"type": "bag", "dropout": 0}},
        "columns": {"columns": ["age", "shop"], "encoder": {"type": "tabular", "dropout": 0}},
    },
    "fusion": {"type": "gated", "width": 16, "dropout": 0},
    "targets": {"label": {"dropout": 0}, "price": {"dropout": 0, "weight": 0.5}},
    "imbalance": "class_weights",
    "training": {
        "epochs": 4, "batch_size": 8, "precision": "32", "probes": False, "wide": False, "augment": False,
        "modality_dropout": 0, "workers": 0, "threads": 1,
    },
}  # fmt: skip


def workers():
    """The numbers of the processes that train."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"RayTrainWorker" in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.timeout(900)  # processes of a cluster take long to start where others are at work
def test_a_worker_that_is_killed_costs_nothing(local_cluster, table, tmp_path):
    targets = ["label", "price"]
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.loc[3, "photo"] = "p4.png.gone"  # a file that only the workers look for is told of all the same
    rows.to_csv(table.parent / "damaged.csv", index=False)
    rows = table.parent / "damaged.csv"
    alone = sm.fit(rows, targets, config=STILL)
    killed, kept = [], []

    def kill(told):
        if "row" in told and told["epoch"] == 2 and not killed:
            kept.extend(path.name for path in tmp_path.glob("store/*/*/*.ckpt"))
            killed.append(max(workers()))
            os.kill(killed[0], signal.SIGKILL)

    lines = []
    shared = fit(
        rows, targets, config=STILL, out=tmp_path / "run", workers=2, storage=f"local://{tmp_path / 'store'}",
        report=kill, say=lines.append,
    )  # fmt: skip
    assert killed
    assert {"best.ckpt", "last.ckpt"} <= set(kept)
    assert not list((tmp_path / "store").iterdir())
    assert "2 workers of 1 processors each train the network." in lines
    ours, theirs = alone.model.state_dict(), shared.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-5, msg=name)
    columns = ["epoch", "train_loss", "valid_loss", "learning_rate", "valid_accuracy label", "valid_r2 price"]
    pd.testing.assert_frame_equal(alone.history[columns], shared.history[columns], rtol=1e-4)
    pd.testing.assert_frame_equal(alone.found, shared.found)
    assert any("p4.png.gone" in reason for reason in shared.found["reason"])
    found, right = (run.predict_proba(table)["label"] for run in (sm.load(tmp_path / "run"), alone))
    pd.testing.assert_frame_equal(found, right, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("cpus", "gpus", "workers", "found"),
    [
        ([4], [0], None, (1, 4, False)),  # one a machine
        ([4, 4], [0, 0], None, (2, 4, False)),
        ([3, 3], [0, 0], 4, (4, 1, False)),
        ([3, 3], [0, 0], 2, (2, 3, False)),
        ([16, 16], [4, 4], None, (8, 4, True)),  # one a GPU
        ([16, 16], [4, 0], 4, (4, 4, True)),
        ([16], [2], 4, (4, 4, False)),  # more workers than GPUs: none has one
        ([1], [0], 3, (3, 1, False)),  # they wait for others to come
    ],
)
def test_the_cluster_is_divided_evenly(cpus, gpus, workers, found):
    nodes = [{"Alive": True, "Resources": {"CPU": cpu, "GPU": gpu}} for cpu, gpu in zip(cpus, gpus, strict=True)]
    lost = {"Alive": False, "Resources": {"CPU": 64, "GPU": 8}}
    assert resources([*nodes, lost, {"Alive": True, "Resources": {}}], workers) == found


def test_wrong_options_are_said():
    with pytest.raises(ConfigError, match="the fewest workers must be from 1 to all of them \\(2\\); got 3"):
        Workers(2, 3)
