"""Which models an average takes."""

import numpy as np
import pytest

from sensorium.ensemble.selection import select


def squared(truth):
    return lambda answers: float(np.square(answers - truth).mean())


def test_two_models_that_err_the_other_way_round_count_halfway_to_what_is_best():
    truth, error = np.zeros(50), np.linspace(1, 2, 50)
    shares = select(np.stack([error, -2 * error]), squared(truth))
    np.testing.assert_allclose(shares, [(2 / 3 + 1 / 2) / 2, (1 / 3 + 1 / 2) / 2], atol=0.01)  # 2/3 * 1 - 1/3 * 2 = 0


def test_three_models_whose_errors_cancel_in_pairs_count_as_often_as_their_pairs_are_drawn():
    """Of two that err the same way only one is worth a share, and the third has the half of every bag that it is in."""
    truth, error = np.zeros(50), np.linspace(1, 2, 50)
    shares = select(np.stack([error, error, -error]), squared(truth))
    assert np.square(shares @ np.stack([error, error, -error])).mean() < 0.25 * np.square(error).mean()
    assert shares[2] > 0.3


def test_a_model_that_only_harms_gets_nothing():
    random = np.random.default_rng(0)
    truth = random.normal(size=400)
    good = [truth + random.normal(size=400) for _ in range(2)]
    bad = truth + 30 * random.normal(size=400)
    shares = select(np.stack([*good, bad]), squared(truth))
    assert shares[2] < 0.01
    assert min(shares[:2]) > 0.3
    assert shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_worse_than_the_best_model_nor_than_before(seed):
    random = np.random.default_rng(seed)
    truth = random.normal(size=30)
    answers = truth + random.normal(size=(6, 30)) * np.array([0.2, 1, 1, 1, 2, 3])[:, None]
    loss, before, last = squared(truth), None, np.inf
    for count in range(1, 7):
        shares = select(answers[:count], loss, None if before is None else np.append(before, 0.0))
        told = loss(shares @ answers[:count])
        assert told <= min(loss(own) for own in answers[:count]) + 1e-12
        assert told <= last + 1e-12
        before, last = shares, told


def test_models_alike_count_alike():
    """Noise of one size in each: shares that follow the rows alone would take few of them."""
    random = np.random.default_rng(1)
    truth = random.normal(size=60)
    answers = truth + random.normal(size=(5, 60))
    shares = select(answers, squared(truth))
    assert (shares > 0.05).all()


def test_one_model_is_taken_whole():
    assert select(np.ones((1, 4)), squared(np.zeros(4))).tolist() == [1.0]


def test_the_seed_decides():
    random = np.random.default_rng(2)
    answers, loss = random.normal(size=(6, 40)), squared(np.zeros(40))
    assert select(answers, loss).tolist() == select(answers, loss).tolist()
