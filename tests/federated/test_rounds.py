"""What the server makes of updates; the sites here answer with weights that are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from flwr.app import Message
from torch import nn

from sensorium.federated.grid import LocalGrid
from sensorium.federated.library import need_flower
from sensorium.federated.options import parse_terms
from sensorium.federated.rounds import Server
from sensorium.federated.updates import as_record
from sensorium.federated.wire import ARRAYS, failed, replying

MODEL = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
STATE = {
    "0.weight": np.zeros((2, 3), dtype=np.float32), "0.bias": np.zeros(2, dtype=np.float32),
    "1.weight": np.ones(2, dtype=np.float32), "1.bias": np.zeros(2, dtype=np.float32),
    "1.running_mean": np.zeros(2, dtype=np.float32), "1.running_var": np.ones(2, dtype=np.float32),
}  # fmt: skip


class Known:
    """A site that moves all weights by `step` in each round."""

    def __init__(self, step, rows, **changes):
        self.step, self.rows, self.changes, self.seen = step, rows, changes, []

    def __call__(self, message: Message) -> Message:
        given = {name: array.numpy() for name, array in message.content.array_records[ARRAYS].items()}
        self.seen.append(given)
        answer = replying(message, {}, **{"num-examples": self.rows, "loss": 1.0, "trained": [1] * len(given)})
        answer.content[ARRAYS] = as_record({n: v + np.float32(self.step) for n, v in given.items()} | self.changes)
        return answer


def server(sites, **terms):
    need_flower()
    grid, said = LocalGrid(sites), []
    made = Server(grid, parse_terms({"rounds": 3, **terms}), {}, ["label"], said.append, lambda row: None)
    made.model = MODEL
    made.rows = {node: getattr(sites[name], "rows", 1) for node, name in grid.names.items()}
    grid.taking = list(grid.names)
    return made, grid


def test_fedavg_is_the_mean_by_rows():
    made, _ = server({"a": Known(1.0, 30), "b": Known(4.0, 10)})
    state, loss, count = made._round(1, STATE, made._strategy())
    assert (loss, count) == (1.0, 2)
    for name, value in state.items():
        np.testing.assert_allclose(value, STATE[name] + (30 * 1.0 + 10 * 4.0) / 40, rtol=1e-6)


def test_fedadam_takes_the_steps_of_the_paper():
    made, _ = server({"a": Known(1.0, 30), "b": Known(4.0, 10)}, strategy="fedadam", server_rate=0.05)
    strategy, state = made._strategy(), STATE
    weights, m, v = np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    for number in (1, 2, 3):
        state, _, _ = made._round(number, state, strategy)
        update = np.full((2, 3), (30 * 1.0 + 10 * 4.0) / 40)
        m, v = 0.9 * m + 0.1 * update, 0.99 * v + 0.01 * update**2  # Reddi et al. 2021, algorithm 2
        rate = (
            0.05 * np.sqrt(1 - 0.99 ** (number + 1)) / (1 - 0.9 ** (number + 1))
        )  # Adam's correction, as Flower counts
        weights = weights + rate * m / (np.sqrt(v) + 1e-3)
        np.testing.assert_allclose(state["0.weight"], weights, rtol=1e-5)
        # Running statistics are no weights: they are the plain mean.
        np.testing.assert_allclose(state["1.running_var"], 1 + 1.75 * number, rtol=1e-6)


def test_noise_is_of_the_size_that_the_clip_asks_for():
    wide = {"w": np.zeros(200_000, dtype=np.float32)}
    sites = {"a": Known(3.0, 1), "b": Known(3.0, 1)}
    made, _ = server(sites, clip=0.5, noise=2.0)
    state, _, _ = made._round(1, wide, made._strategy())
    assert state["w"].std() == pytest.approx(2.0 * 0.5 / 2, rel=0.02)  # of the mean of two
    signal = 0.5 / np.sqrt(200_000)  # either update has the norm 0.5 and is even
    assert state["w"].mean() == pytest.approx(signal, abs=4 * 0.5 / np.sqrt(200_000))


def test_clipped_updates_have_the_norm_of_the_clip():
    made, _ = server({"a": Known(3.0, 1), "b": Known(3.0, 1)}, clip=0.5)
    state, _, _ = made._round(1, STATE, made._strategy())
    norm = np.sqrt(sum(((state[n] - STATE[n]) ** 2).sum() for n in STATE))
    assert norm == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (Known(1.0, 5, **{"0.bias": np.full(2, np.nan, dtype=np.float32)}), "numbers that are not finite"),
        (Known(1000.0, 5), "10 times the round's median"),
        (Known(1.0, 5, extra=np.zeros(1, dtype=np.float32)), "other tensors than the model"),
        (lambda message: failed(message, "no memory"), "no memory"),
        (lambda message: replying(message, {}), "holds no weights"),
    ],
)
def test_a_poisoned_update_is_left_out_and_the_round_goes_on(spoilt, words):
    made, grid = server({"a": Known(1.0, 5), "b": Known(1.0, 5), "bad": spoilt})
    made.rows = dict.fromkeys(grid.names, 5)
    state, _, count = made._round(1, STATE, made._strategy())
    assert count == 2
    np.testing.assert_allclose(state["0.weight"], 1.0)
    assert [name for name, _ in grid.refused] == ["bad"]
    assert words in grid.refused[0][1]


def test_a_round_without_updates_leaves_the_weights():
    made, _ = server({"a": lambda m: failed(m, "no"), "b": lambda m: failed(m, "no")})
    state, loss, count = made._round(1, STATE, made._strategy())
    assert state is STATE
    assert np.isnan(loss)
    assert count == 0


def test_a_site_that_goes_within_a_round_is_not_waited_for():
    away = set()
    made, grid = server({"a": Known(1.0, 5), "b": Known(3.0, 5)})
    grid.away = lambda: away
    made.begun, made.valid = dict.fromkeys(grid.names, 0), dict.fromkeys(grid.names, 4)
    made.agreement = SimpleNamespace(coders={})
    strategy = made._strategy()
    assert made._validate(1, STATE, strategy) == (1.0, {})
    away.add("b")  # after the sites were counted
    state, _, count = made._round(1, STATE, strategy)
    assert count == 1
    np.testing.assert_allclose(state["0.weight"], 1.0)
    assert made._validate(1, state, strategy) == (1.0, {})
    away.add("a")
    assert made._validate(1, state, strategy) == (np.inf, {})
    grid.taking = list(grid.names)  # as if they went just after they were counted
    assert made._round(2, state, strategy)[2] == 0


def test_messages_are_counted():
    made, grid = server({"a": Known(1.0, 5), "b": Known(1.0, 5)})
    made._round(1, STATE, made._strategy())
    size = sum(value.nbytes for value in STATE.values())
    assert 2 * size < grid.sent < 2 * (size + 2000)
    assert 2 * size < grid.received < 2 * (size + 2000)
