"""Made-up vectors: the penalty against slopes taken by hand, what is made against what it was learned from."""

import numpy as np
import pytest
import torch
from torch import nn

from sensorium.config import Imbalance
from sensorium.errors import DataError
from sensorium.training.gan import FEWEST, VectorGAN, check_rows, gradient_penalty

SLOPE = 0.2  # of a leaky ReLU below 0


def mixture(rows=1000, seed=0):
    """A frequent class and one a tenth as frequent, each a Gaussian of its own."""
    random = np.random.default_rng(seed)
    first = random.multivariate_normal([3, -1], [[1.0, 0.5], [0.5, 0.5]], rows)
    second = random.multivariate_normal([-2, 2], [[0.5, 0.0], [0.0, 0.2]], rows // 10)
    classes = np.repeat([0, 1], [rows, rows // 10])
    return torch.from_numpy(np.concatenate([first, second])).float(), torch.from_numpy(classes)


@pytest.fixture(scope="module")
def gan():
    return VectorGAN(*mixture(), Imbalance(), seed=0)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.LeakyReLU(SLOPE), nn.Linear(5, 1)).double()


def penalty_by_hand(critic, points):
    """The gradient of v . leaky(W x + b) is (v * slope of each unit) W."""
    weight, bias, out = (p.detach().numpy() for p in (critic[0].weight, critic[0].bias, critic[2].weight))
    slopes = np.where(points @ weight.T + bias > 0, 1, SLOPE)  # (B, 5)
    gradient = (out * slopes) @ weight  # (B, 3)
    return ((np.linalg.norm(gradient, axis=1) - 1) ** 2).mean()


def test_the_penalty_is_that_of_slopes_taken_by_hand():
    critic = network()
    real, fake, share = torch.randn(50, 3).double(), torch.randn(50, 3).double(), torch.rand(50, 1).double()
    found = gradient_penalty(lambda x: critic(x)[:, 0], real, fake, share)
    points = (share * real + (1 - share) * fake).numpy()
    assert found.item() == pytest.approx(penalty_by_hand(critic, points), rel=1e-10)


def test_the_penaltys_own_gradient_is_that_of_finite_differences():
    critic = network()
    real, fake, share = torch.randn(20, 3).double(), torch.randn(20, 3).double(), torch.rand(20, 1).double()
    gradient_penalty(lambda x: critic(x)[:, 0], real, fake, share).backward()
    points = (share * real + (1 - share) * fake).numpy()
    weight, step = critic[2].weight, 1e-6
    for place in range(5):
        values = []
        for sign in (1, -1):
            moved = network()
            moved[2].weight.data[0, place] += sign * step
            values.append(penalty_by_hand(moved, points))
        assert weight.grad[0, place].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)
    assert critic[0].weight.grad.abs().sum() > 0


def test_a_linear_critics_penalty_is_that_of_its_slope():
    slope = torch.tensor([0.0, 0.6, 0.8])  # of length 1
    found = [
        gradient_penalty(lambda x, f=factor: x @ slope * f, torch.rand(4, 3), torch.rand(4, 3), torch.rand(4, 1)).item()
        for factor in (1, 0, 3)
    ]
    assert found == pytest.approx([0, 1, 4], abs=1e-5)


def test_moments_of_a_mixture_are_approached(gan):
    vectors, classes = mixture()
    for place in (0, 1):
        real = vectors[classes == place]
        made = gan.sample(torch.full((4000,), place))
        deviation = real.std(0)
        assert ((made.mean(0) - real.mean(0)).abs() / deviation).max() < 0.25
        assert (made.std(0) / deviation).min() > 0.75
        assert (made.std(0) / deviation).max() < 1.35
    made = gan.sample(torch.zeros(4000, dtype=torch.int64))
    assert torch.corrcoef(made.T)[0, 1].item() == pytest.approx(0.5 / 0.5**0.5, abs=0.2)


def test_other_vectors_each_time_and_none_that_is_a_copy(gan):
    vectors, _ = mixture()
    made = gan.sample(torch.ones(200, dtype=torch.int64))
    assert not torch.equal(made, gan.sample(torch.ones(200, dtype=torch.int64)))
    assert len(made.unique(dim=0)) == 200
    assert torch.cdist(made, vectors).min() > 0


def test_the_seed_decides_and_the_programs_chance_is_left_alone():
    vectors, classes = mixture(100)
    state = torch.random.get_rng_state()
    found = [
        VectorGAN(vectors, classes, Imbalance(gan_steps=3), seed).sample(torch.tensor([0, 1, 1])) for seed in (1, 1, 2)
    ]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_what_is_constant_stays_so():
    vectors, classes = mixture(100)
    vectors = torch.cat([vectors, torch.full((len(vectors), 1), 7.5)], dim=1)
    made = VectorGAN(vectors, classes, Imbalance(gan_steps=2), 0).sample(torch.tensor([0, 1]))
    assert made.shape == (2, 3)
    torch.testing.assert_close(made[:, 2], torch.tensor([7.5, 7.5]))
    assert made.isfinite().all()


def test_classes_of_too_few_rows_are_refused():
    assert FEWEST == 3
    check_rows("label", ["a", "b"], [3, 900])
    with pytest.raises(DataError) as error:
        check_rows("label", ["a", "b", "c"], [900, 2, 1])
    assert str(error.value) == (
        "imbalance.method=gan: class 'b' of target 'label' must have 3 or more rows to learn from; it has 2. "
        "Add rows, merge it with another class, or take another method."
    )
