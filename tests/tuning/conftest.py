"""A table that text and a number tell, and fits that take no time."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sensorium.export.archive import read_json, write_json
from sensorium.tuning import trial


@pytest.fixture(scope="session")
def told():
    """The note tells the label nine times in ten; the age helps, and gives the price."""
    random = np.random.default_rng(0)
    kinds = np.arange(80) % 2
    heard = np.where(random.random(80) < 0.9, kinds, 1 - kinds)
    age = 40 + 10 * kinds + random.normal(0, 8, 80)
    notes = [f"{'a bright and sunny' if yes else 'a dark and rainy'} day, number {i}" for i, yes in enumerate(heard)]
    labels = np.where(kinds == 1, "yes", "no")
    return pd.DataFrame({"note": notes, "age": age, "label": labels, "price": 2 * age + random.normal(size=80)})


def score(training):
    """What a pretended fit comes to: best at a learning rate of .002 and half as good a tenth or ten times of it."""
    return float(0.5 ** abs(np.log10(training["learning_rate"] / 0.002)))


@pytest.fixture
def fits(monkeypatch):
    """Pretends to fit. `ran`: the folders and configurations; `before`: called with the number of each new fit."""
    state = SimpleNamespace(ran=[], before=lambda count: None, losses=lambda training: [1 - score(training)] * 5)

    def fit(table, *, out, config, report, **_):
        if (out / "run.json").exists():
            found = read_json(out / "run.json")
        else:
            state.before(len(state.ran) + 1)
            state.ran.append((f"{out.parent.name}/{out.name}", config))
            losses = state.losses(config["training"])
            for epoch, loss in enumerate(losses, 1):
                report({"step": epoch, "epoch": epoch})
                report({"step": epoch, "epoch": epoch, "row": {"epoch": epoch, "valid_loss": loss}})
            found = {"score": score(config["training"]), "losses": losses, "targets": list(config["targets"])}
            write_json(out / "run.json", found)
        scores = {name: {"valid": {"accuracy": {"value": found["score"]}}} for name in found["targets"]}
        return SimpleNamespace(
            coders={name: SimpleNamespace(task="classification") for name in found["targets"]},
            metrics={"targets": scores, "stopped": "all epochs done"},
            history=pd.DataFrame({"valid_loss": found["losses"]}),
            run={"rows": {"valid": 12}},
        )

    monkeypatch.setattr(trial, "fit", fit)
    return state
