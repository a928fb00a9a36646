"""Losses for rare classes against NumPy's float64, written out from the papers."""

import numpy as np
import pytest
import torch

from sensorium import heads
from sensorium.errors import ConfigError
from sensorium.heads.focal import focal_factor

COUNTS = np.array([700, 250, 40, 10])


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    return random.normal(size=(30, 4)) * 3, random.integers(0, 4, 30)


def softmax(logits):
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def given(*arrays):
    return [torch.from_numpy(array).float() if array.dtype.kind == "f" else torch.from_numpy(array) for array in arrays]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_the_focal_loss_of_classes(rows, gamma):
    """Lin et al. 2017, equation 5, with their alpha as the weights' shares."""
    logits, classes = rows
    own = softmax(logits)[np.arange(30), classes]
    weights = np.array([0.2, 0.5, 1.0, 3.0])
    wanted = (weights[classes] * -((1 - own) ** gamma) * np.log(own)).sum() / weights[classes].sum()
    head = heads.Classification(4, 8, weights=weights, gamma=gamma)
    assert head.loss(*given(logits, classes)).item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_focal_loss_of_yes_and_no(rows, gamma):
    logits, yes = rows[0][:, 0], rows[1] % 2
    own = np.where(yes == 1, 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(logits)))
    wanted = (-((1 - own) ** gamma) * np.log(own) * np.where(yes == 1, 3.0, 1.0)).mean()
    head = heads.Binary(8, gamma=gamma, positive_weight=3.0)
    assert head.loss(*given(logits, yes)).item() == pytest.approx(wanted, rel=1e-4)


def test_the_focal_loss_scales_the_smoothed_loss(rows):
    logits, classes = rows
    shares = softmax(logits)
    aim = np.full((30, 4), 0.1 / 4)
    aim[np.arange(30), classes] += 0.9
    smoothed = -(aim * np.log(shares)).sum(1)
    wanted = ((1 - shares[np.arange(30), classes]) ** 2 * smoothed).mean()
    head = heads.Classification(4, 8, label_smoothing=0.1, gamma=2)
    assert head.loss(*given(logits, classes)).item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_logit_adjustment_of_classes(rows, tau):
    """Menon et al. 2021, equation 10: log(1 + sum over others of (share' / share)^tau e^(f' - f))."""
    logits, classes = rows
    share = COUNTS / COUNTS.sum()
    losses = [
        np.log(sum((share[k] / share[own]) ** tau * np.exp(row[k] - row[own]) for k in range(4)))
        for row, own in zip(logits, classes, strict=True)
    ]
    head = heads.Classification(4, 8, shift=tau * np.log(share))
    assert head.loss(*given(logits, classes)).item() == pytest.approx(np.mean(losses), rel=1e-5)
    np.testing.assert_allclose(head.probabilities(given(logits)[0]), softmax(logits), rtol=1e-5, atol=1e-7)


def test_logit_adjustment_of_yes_and_no_is_that_of_two_classes(rows):
    logits, yes = rows[0][:, 0], rows[1] % 2
    share = np.array([0.95, 0.05])
    both = np.stack([np.zeros(30), logits], axis=1)
    two = heads.Classification(2, 8, shift=np.log(share)).loss(*given(both, yes))
    one = heads.Binary(8, shift=np.log(share[1] / share[0]))
    torch.testing.assert_close(one.loss(*given(logits, yes)), two)
    torch.testing.assert_close(one.probabilities(given(logits)[0])[:, 1], given(logits)[0].sigmoid())


@pytest.mark.parametrize("gamma", [0.3, 2.0])
def test_slopes_stay_finite_where_a_row_is_certain(gamma):
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    heads.Classification(2, 8, gamma=gamma).loss(logits, torch.tensor([0, 0])).backward()
    assert logits.grad.isfinite().all()
    far = torch.tensor([300.0, -300.0], requires_grad=True)
    heads.Binary(8, gamma=gamma).loss(far, torch.tensor([1.0, 1.0])).backward()
    assert far.grad.isfinite().all()


@pytest.mark.parametrize(
    ("head", "spoiled"),
    [
        (heads.Classification(4, 8, weights=[1, 2, 3, 4], gamma=2, shift=[0, -1, -2, -3]), -100),
        (heads.Binary(8, positive_weight=2, gamma=2, shift=-1), float("nan")),
    ],
)
def test_rows_without_a_target_count_for_nothing(rows, head, spoiled):
    logits, target = given(rows[0] if isinstance(head, heads.Classification) else rows[0][:, 0], rows[1] % 2)
    mask = torch.arange(30) < 20
    found = target.to(logits.dtype) if spoiled != spoiled else target.clone()
    found[~mask] = spoiled
    torch.testing.assert_close(head.loss(logits, found, mask), head.loss(logits[:20], target[:20]))
    logits.requires_grad_()
    head.loss(logits, found, torch.zeros(30, dtype=torch.bool)).backward()
    assert (logits.grad == 0).all()


def test_the_factor_is_a_power_of_what_is_missing():
    shares = np.array([0.01, 0.3, 0.77, 0.999])
    found = focal_factor(torch.from_numpy(np.log(shares)), 1.5)
    np.testing.assert_allclose(found, (1 - shares) ** 1.5, rtol=1e-9)


def test_what_shifts_and_focuses_the_loss_is_not_saved():
    head = heads.Classification(3, 8, weights=[1, 2, 3], gamma=2, shift=[0, -1, -2])
    assert set(head.state_dict()) == {"linear.weight", "linear.bias"}
    assert set(heads.Binary(8, gamma=2, shift=-1).state_dict()) == {"linear.weight", "linear.bias"}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: heads.Classification(2, gamma=-1), r"Classification\.gamma must be a number, 0 or more; got -1\."),
        (lambda: heads.Binary(gamma=np.inf), r"Binary\.gamma must be a number, 0 or more; got inf\."),
        (lambda: heads.Classification(2, shift=[1]), r"Classification\.shift must be 2 finite numbers; got \[1\.0\]\."),
        (lambda: heads.Binary(shift=-np.inf), r"Binary\.shift must be 1 finite numbers; got \[-inf\]\."),
    ],
)
def test_wrong_options(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
