"""The score of the validation rows in every epoch, against scikit-learn on all rows at once."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, r2_score

import sensorium as sm
from sensorium import heads
from sensorium.data.batches import Batch
from sensorium.training.valid_scores import ValidScores

ROWS = 90


def heard(head, logits, values, mask=None):
    """What three batches come to."""
    scores = ValidScores({"y": head})
    mask = torch.ones(len(values), dtype=torch.bool) if mask is None else mask
    for part in torch.arange(len(values)).split(40):
        scores.hear({"y": logits[part]}, Batch({}, {"y": (values[part], mask[part])}, part))
    return scores.row()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_classes():
    logits, values = torch.randn(ROWS, 3), torch.randint(3, (ROWS,))
    mask = torch.rand(ROWS) < 0.7
    wanted = accuracy_score(values[mask], logits[mask].argmax(1))
    assert heard(heads.Classification(3, 4), logits, values, mask) == {"valid_accuracy": pytest.approx(wanted)}
    logits, values = torch.randn(ROWS), torch.randint(2, (ROWS,)).float()
    wanted = accuracy_score(values, logits > 0)
    assert heard(heads.Binary(4), logits, values) == {"valid_accuracy": pytest.approx(wanted)}


def test_labels_and_numbers():
    logits, values = torch.randn(ROWS, 3), torch.randint(2, (ROWS, 3)).float()
    wanted = f1_score(values, logits > 0, average="micro")
    assert heard(heads.Multilabel(3, 4), logits, values) == {"valid_micro_f1": pytest.approx(wanted)}
    values = 3 + torch.randn(ROWS)
    logits = values + 0.5 * torch.randn(ROWS)
    wanted = r2_score(values, logits)
    assert heard(heads.Regression(4), logits, values) == {"valid_r2": pytest.approx(wanted, rel=1e-4)}


def test_what_no_row_tells_is_no_number():
    none = torch.zeros(5, dtype=torch.bool)
    for head, logits, values in (
        (heads.Binary(4), torch.ones(5), torch.ones(5)),
        (heads.Regression(4), torch.ones(5), torch.ones(5)),
        (heads.Multilabel(2, 4), -torch.ones(5, 2), torch.zeros(5, 2)),
    ):
        (score,) = heard(head, logits, values, none).values()
        assert math.isnan(score)
    assert math.isnan(heard(heads.Regression(4), torch.ones(5), torch.full((5,), 0.3))["valid_r2"])  # one value
    assert ValidScores({"y": torch.nn.Identity()}).row() == {}  # as for texts


def test_several_targets_are_told_apart():
    scores = ValidScores({"a": heads.Binary(4), "b": heads.Regression(4)})
    assert set(scores.row()) == {"valid_accuracy a", "valid_r2 b"}


@pytest.mark.parametrize(("wide", "balance"), [(False, "none"), (False, "auto"), (True, "none")])
def test_the_best_epochs_score_is_that_of_the_predictor(wide, balance):
    random = np.random.default_rng(0)
    rows = {"a": random.normal(size=(120, 4)), "b": random.normal(size=(120, 4))}
    rows["label"] = np.where(rows["a"][:, 0] + rows["b"][:, 0] > 0, "yes", "no")
    config = {"balance": {"method": balance}, "imbalance": {"method": "none"}}
    predictor = sm.fit(
        rows, "label", valid=rows, config=config, epochs=2, wide=wide, probes=False, precision="32", batch_size=16
    )
    assert (predictor.model.wide is not None) == wide
    best = predictor.history.loc[predictor.history["valid_loss"].idxmin()]
    found = predictor.evaluate(rows)["metrics"]["accuracy"]["value"]
    # The shares of the network and the wide part are fitted once more when the training is over.
    assert best["valid_accuracy"] == pytest.approx(found, abs=0.03 if wide else 1e-6)
