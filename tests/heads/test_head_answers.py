"""Losses and probabilities against scikit-learn, torch's own weighting, and closed forms."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import nn
from torch.nn import functional as F

from sensorium import heads
from sensorium.errors import ConfigError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_classification_is_log_loss():
    head = heads.Classification(4, 8, weights=[1, 2, 0.5, 3])
    logits, target = torch.randn(20, 4), torch.randint(0, 4, (20,))
    weight = np.array([1, 2, 0.5, 3])[target.numpy()]
    probabilities = head.probabilities(logits)
    expected = log_loss(target.numpy(), probabilities.numpy(), sample_weight=weight, labels=range(4))
    assert head.loss(logits, target).item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(head.loss(logits, target), F.cross_entropy(logits, target, weight=head.weights))


def test_label_smoothing_is_torchs():
    logits, target = torch.randn(20, 4), torch.randint(0, 4, (20,))
    found = heads.Classification(4, 8, label_smoothing=0.2).loss(logits, target)
    torch.testing.assert_close(found, F.cross_entropy(logits, target, label_smoothing=0.2))


def test_class_weights_with_missing_targets():
    head = heads.Classification(3, 8, weights=[1, 5, 2])
    logits, target, mask = torch.randn(6, 3), torch.tensor([0, 1, 2, 1, -7, 99]), torch.arange(6) < 4
    torch.testing.assert_close(head.loss(logits, target, mask), head.loss(logits[:4], target[:4]))


def test_a_class_that_is_none():
    head = heads.Classification(3, 8)
    for wrong in (3, -1):
        with pytest.raises(ConfigError, match=rf"Classification's target must be from 0 to 2; got {wrong}"):
            head.loss(torch.zeros(2, 3), torch.tensor([0, wrong]))


def test_binary_is_log_loss():
    head, logits, target = heads.Binary(8), torch.randn(20), (torch.rand(20) > 0.5).float()
    probabilities = head.probabilities(logits)
    assert probabilities.shape == (20, 2)
    torch.testing.assert_close(probabilities[:, 1], logits.sigmoid())
    expected = log_loss(target.numpy(), probabilities.numpy())
    assert head.loss(logits, target).item() == pytest.approx(expected, rel=1e-5)


def test_a_positive_weight():
    loss = heads.Binary(8, positive_weight=3).loss(torch.zeros(4), torch.tensor([1.0, 0.0, 0.0, 0.0]))
    assert loss.item() == pytest.approx(np.log(2) * (3 + 1 + 1 + 1) / 4)


def test_multilabel_is_the_mean_of_binaries():
    head = heads.Multilabel(3, 8, positive_weights=[1, 2, 4])
    logits, target = torch.randn(10, 3), (torch.rand(10, 3) > 0.5).float()
    parts = [heads.Binary(8, positive_weight=w).loss(logits[:, i], target[:, i]) for i, w in enumerate([1, 2, 4])]
    torch.testing.assert_close(head.loss(logits, target), torch.stack(parts).mean())
    torch.testing.assert_close(head.probabilities(logits), logits.sigmoid())


def test_regression_is_huber():
    found = heads.Regression(8).loss(torch.tensor([0.5, -0.5, 3.0, -10.0]), torch.zeros(4))
    assert found.item() == pytest.approx((0.125 + 0.125 + 2.5 + 9.5) / 4)


def test_regression_with_several_outputs():
    head = heads.Regression(8, outputs=2)
    logits = head(torch.randn(5, 8))
    assert logits.shape == (5, 2)
    assert heads.Regression(8)(torch.randn(5, 8)).shape == (5,)
    target, mask = torch.randn(5, 2), torch.tensor([True, True, False, True, True])
    expected = nn.HuberLoss()(logits[mask], target[mask])
    torch.testing.assert_close(head.loss(logits, target, mask), expected)


def test_extreme_logits_stay_finite():
    far = torch.tensor([1e4, -1e4])
    assert heads.Binary(8).loss(far, torch.tensor([0.0, 1.0])).isfinite()
    assert heads.Binary(8).probabilities(far).isfinite().all()
    assert heads.Classification(2, 8).loss(far[None], torch.tensor([1])).isfinite()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: heads.Classification(1), r"Classification\.classes must be a whole number, 2 or more; got 1"),
        (lambda: heads.Classification(2, label_smoothing=1), r"Classification\.label_smoothing must be .* 1; got 1"),
        (lambda: heads.Classification(2, weights=[1]), r"Classification\.weights must be 2 .* above 0; got \[1\.0\]"),
        (lambda: heads.Classification(2, weights=[1, 0]), r"Classification\.weights must be 2 .*; got \[1\.0, 0\.0\]"),
        (lambda: heads.Binary(positive_weight=-2), r"Binary\.positive_weight must be 1 numbers above 0; got \[-2\.0\]"),
        (lambda: heads.Multilabel(0), r"Multilabel\.labels must be a whole number, 1 or more; got 0"),
        (lambda: heads.Multilabel(2, positive_weights=[1]), r"Multilabel\.positive_weights must be 2 .*; got \[1\.0\]"),
        (lambda: heads.Regression(outputs=0), r"Regression\.outputs must be a whole number, 1 or more; got 0"),
        (lambda: heads.add("binary", heads.Binary), r"head 'binary' must have a new name; got that of Binary\."),
    ],
)
def test_wrong_sizes(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_add():
    heads.add("yes_no", heads.Binary)
    assert heads.HEADS.pop("yes_no") is heads.Binary
