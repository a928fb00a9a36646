"""The loss by another model's answers, against its definition in float64."""

import numpy as np
import pytest
import torch

from sensorium.training.taught import Taught, soft_loss


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.fixture
def logits():
    random = np.random.default_rng(0)
    return 3 * random.normal(size=(5, 4)), 3 * random.normal(size=(5, 4))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_of_classes_it_is_the_divergence(logits, temperature):
    own, theirs = logits
    p, q = softmax(theirs / temperature), softmax(own / temperature)
    expected = temperature**2 * (p * np.log(p / q)).sum(1).mean()
    found = soft_loss("classification", torch.tensor(own), torch.tensor(theirs), temperature)
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_of_labels_it_is_that_of_each_yes_or_no(logits, task):
    own, theirs = (part[:, 0] if task == "binary" else part for part in logits)
    p, q = (1 / (1 + np.exp(-part / 2.0)) for part in (theirs, own))
    expected = 4.0 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()
    assert soft_loss(task, torch.tensor(own), torch.tensor(theirs), 2.0).item() == pytest.approx(expected, rel=1e-9)


def test_of_numbers_it_is_the_squared_error(logits):
    own, theirs = (part[:, 0] for part in logits)
    found = soft_loss("regression", torch.tensor(own), torch.tensor(theirs), 9.0)
    assert found.item() == pytest.approx(((own - theirs) ** 2).mean(), rel=1e-9)


@pytest.mark.parametrize("task", ["binary", "classification", "multilabel", "regression"])
def test_the_teachers_own_answers_cost_nothing(logits, task):
    same = torch.tensor(logits[0], requires_grad=True)
    loss = soft_loss(task, same, same.detach(), 4.0)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-9)
    assert same.grad.abs().max() < 1e-9


def test_rows_find_their_own_answers(logits):
    own, theirs = (torch.tensor(part) for part in logits)
    tasks = {"a": "classification", "b": "regression"}
    taught = Taught({"a": theirs, "b": theirs[:, 0]}, {"a": -theirs, "b": theirs[:, 1]}, tasks, 2.0, 0.25)
    rows, truth = torch.tensor([4, 0], dtype=torch.int32), torch.tensor(5.0)
    outputs = {"a": own[[4, 0]], "b": own[[4, 0], 0]}
    for training, a, b in ((True, theirs, theirs[:, 0]), (False, -theirs, theirs[:, 1])):
        soft = soft_loss("classification", outputs["a"], a[[4, 0]].float(), 2.0)
        numbers = soft_loss("regression", outputs["b"], b[[4, 0]].float(), 2.0)
        expected = 0.75 * 5.0 + 0.25 * (soft + 3 * numbers)
        assert taught.mix(truth, outputs, rows, training, {"b": 3.0}).item() == pytest.approx(expected.item(), rel=1e-6)
