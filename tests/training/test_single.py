"""The network of one input by itself: what it adds to a model, and how its share is chosen."""

import copy
import json

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

import sensorium as sm
from sensorium.encoders import Input, VectorDense
from sensorium.errors import SensoriumError
from sensorium.fusion import Concat
from sensorium.heads import Binary, Regression
from sensorium.model import MultimodalModel
from sensorium.single import Single
from sensorium.training import single as training
from sensorium.training.balance import Balancer


def network(*names):
    torch.manual_seed(len(names))
    encoders = {name: VectorDense(3, width=8) for name in names}
    return MultimodalModel(encoders, Concat(8), {"y": Binary(8), "z": Regression(8)}).eval()


def inputs():
    torch.manual_seed(0)
    values = {name: torch.randn(5, 3) for name in "ab"}
    there = {"a": torch.tensor([1, 1, 1, 0, 1]).bool(), "b": torch.tensor([1, 0, 1, 1, 0]).bool()}
    return {name: Input(values[name], there[name]) for name in "ab"}


def test_its_logits_count_by_its_share_in_rows_that_have_its_input():
    model, own, batch = network("a", "b"), network("b"), inputs()
    joint, alone = model(batch), own({"b": batch["b"]})
    model.single = Single(own)
    model.single.set_share("y", 0.25)
    both = model(batch)
    share = 0.25 * batch["b"].mask
    torch.testing.assert_close(both["y"], (1 - share) * joint["y"] + share * alone["y"])
    torch.testing.assert_close(both["z"], joint["z"])  # which has no share
    without = model({"a": batch["a"]})["y"]
    model.single = None
    torch.testing.assert_close(without, model({"a": batch["a"]})["y"])


def test_a_row_depends_on_itself_alone():
    model, batch = network("a", "b"), inputs()
    model.single = Single(network("b"))
    model.single.set_share("y", 0.5)
    whole = model(batch)["y"]
    for row in range(5):
        part = {name: Input(*(x[row : row + 1] for x in given[:2])) for name, given in batch.items()}
        torch.testing.assert_close(model(part)["y"], whole[row : row + 1])


def test_it_is_part_of_the_models_weights():
    model, batch = network("a", "b"), inputs()
    model.single = Single(network("b"))
    model.single.set_share("y", 0.5)
    other = network("a", "b")
    other.single = Single(copy.deepcopy(network("b")))
    nn.init.zeros_(other.single.network.head("y").linear.weight)
    other.load_state_dict(model.state_dict())
    assert other.single.share("y") == 0.5
    torch.testing.assert_close(other(batch)["y"], model(batch)["y"])


@pytest.mark.parametrize("rows", [3, 50])
def test_the_share_has_the_highest_posterior(rows):
    random = np.random.default_rng(rows)
    target = random.integers(0, 2, rows).astype(float)
    joint, own = (random.normal(size=(rows, 1)) + 2 * target[:, None] - 1 for _ in range(2))
    beside, there = random.normal(size=(rows, 1)), random.random(rows) < 0.8
    [found] = training._best("binary", joint, own, beside, there, target)
    grid = np.linspace(0, 1, 2001)

    def loss(share):
        part = share * there[:, None]
        p = expit(((1 - part) * joint + part * own + beside)[:, 0])
        return -np.log(np.where(target == 1, p, 1 - p)).sum() + 2 * (share - 0.5) ** 2

    assert found == pytest.approx(grid[np.argmin([loss(share) for share in grid])], abs=2e-3)


@pytest.mark.parametrize("noisy", ["joint", "own"])
def test_many_rows_take_the_share_to_what_tells(noisy):
    random = np.random.default_rng(0)
    target = random.normal(size=2000)
    right, wrong = target[:, None] + 0.1 * random.normal(size=(2000, 1)), random.normal(size=(2000, 1))
    joint, own = (wrong, right) if noisy == "joint" else (right, wrong)
    [share] = training._best("regression", joint, own, np.zeros((2000, 1)), np.ones(2000, dtype=bool), target)
    assert share == pytest.approx(float(noisy == "joint"), abs=0.02)


class Killed(Exception):
    """Raised in the middle of an epoch."""


def rows(count=120):
    random = np.random.default_rng(0)
    found = {name: list(random.normal(size=(count, 4))) for name in "ab"}
    yes = np.array(found["a"])[:, 0] + np.array(found["b"])[:, 0] > 0
    return {**found, "label": np.where(yes, "yes", "no")}


def hasty(monkeypatch):
    """Evidence in every epoch that each input does better alone."""
    end_epoch = Balancer.end_epoch

    def changed(self, epoch):
        self.valid_means.sums[:, 3:] += 1000  # the fused model on each input's rows
        end_epoch(self, epoch)

    monkeypatch.setattr(Balancer, "end_epoch", changed)


def test_a_fit_stopped_while_it_trains_the_single_network_goes_on_to_the_same(tmp_path, monkeypatch):
    hasty(monkeypatch)
    options = {"epochs": 3, "batch_size": 16, "probes": False, "threads": 1, "precision": "32"}
    plain = sm.fit(rows(), "label", out=tmp_path / "plain", **options)
    steps = 0

    def stop(told):
        nonlocal steps
        steps += 1
        if steps == 3 * told["steps"] // 3 + 8:
            raise Killed

    with pytest.raises(Killed):
        sm.fit(rows(), "label", out=tmp_path / "killed", report=stop, **options)
    again = sm.fit(rows(), "label", out=tmp_path / "killed", resume=True, **options)
    assert plain.model.single is not None
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    loaded = sm.load(tmp_path / "killed")
    assert loaded.model.single.modality == plain.model.single.modality
    assert loaded.predict_proba(rows()).equals(again.predict_proba(rows()))
    assert [part["kind"] for part in loaded.parts()].count("single") == 1


def test_a_run_whose_single_input_is_none_of_its_own_is_refused(tmp_path, monkeypatch):
    hasty(monkeypatch)
    sm.fit(rows(), "label", out=tmp_path / "run", epochs=2, probes=False, threads=1)
    told = json.loads((tmp_path / "run" / "inputs.json").read_text())
    told["single"] = "c"
    (tmp_path / "run" / "inputs.json").write_text(json.dumps(told))
    with pytest.raises(SensoriumError, match=r"inputs\.json is not the file that was saved"):
        sm.load(tmp_path / "run")
