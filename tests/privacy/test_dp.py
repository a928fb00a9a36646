"""One private step against NumPy, and what the noise is."""

import numpy as np
import pytest
import torch

pytest.importorskip("opacus", reason="privacy needs 'sensorium[private]'")

from torch import nn

from sensorium import encoders, fusion, heads
from sensorium.config import Privacy, Training
from sensorium.data.batches import Batch
from sensorium.encoders import Features, Input
from sensorium.errors import ConfigError
from sensorium.model import MultimodalModel
from sensorium.privacy.dp import Private
from sensorium.privacy.gradients import choose_gradients, one_by_one, together

TRAINING = Training(epochs=2, batch_size=2)


class Plain(nn.Module):
    """A vector as its token: one linear layer."""

    mask_dims, width = 1, 1

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, values, mask):
        return Features(self.linear(values * mask[:, None])[:, None] * mask[:, None, None], mask[:, None])


def network():
    torch.manual_seed(0)
    return MultimodalModel({"a": Plain(), "b": Plain()}, fusion.Mean(1), {"y": heads.Regression(1)})


def private(options=None, gradients=together, physical=8, rows=10):
    return Private(options or Privacy(epsilon=50.0, noise=1.0), 1e-5, rows, TRAINING, gradients, physical, (1, 1))


def batch():
    """Two rows; the second misses b."""
    torch.manual_seed(1)
    values = {name: torch.randn(2, 2) * 3 for name in ("a", "b")}
    inputs = {"a": Input(values["a"], torch.tensor([True, True])), "b": Input(values["b"], torch.tensor([True, False]))}
    return Batch(inputs, {"y": (torch.tensor([0.3, -0.2]), torch.tensor([True, True]))}, torch.tensor([4, 7]))


def by_hand(model, given, clip):
    """The sum of the cut gradients in float64, by the chain rule: Huber of w * mean over m of (u_m x_m + c_m) + v."""
    state = {name: value.double().numpy() for name, value in model.state_dict().items()}
    total: dict[str, np.ndarray] = {}
    norms = []
    for row in range(2):
        there = [name for name in ("a", "b") if given.inputs[name].mask[row]]
        place = {"a": "encoders.m0.linear", "b": "encoders.m1.linear"}
        x = {name: given.inputs[name].values[row].double().numpy() for name in there}
        slot = {n: float((state[f"{place[n]}.weight"] @ x[n] + state[f"{place[n]}.bias"])[0]) for n in there}
        fused = np.mean(list(slot.values()))
        weight, bias = state["heads.t0.linear.weight"][0, 0], state["heads.t0.linear.bias"][0]
        slope = np.clip(weight * fused + bias - float(given.targets["y"][0][row]), -1, 1)  # of Huber's loss, delta 1
        own = {"heads.t0.linear.weight": np.array([[slope * fused]]), "heads.t0.linear.bias": np.array([slope])}
        for name in there:
            back = slope * weight / len(there)
            own[f"{place[name]}.weight"], own[f"{place[name]}.bias"] = back * x[name][None], np.array([back])
        norms.append(np.sqrt(sum(np.square(part).sum() for part in own.values())))
        for name, part in own.items():
            total[name] = total.get(name, 0) + part * min(1.0, clip / norms[-1])
    return total, norms


@pytest.mark.parametrize("clip", [0.05, "between", 100.0])  # of both rows, of the larger one, of none
@pytest.mark.parametrize("physical", [1, 8])
@pytest.mark.parametrize("gradients", [together, one_by_one])
def test_the_sum_of_the_cut_gradients_is_numpys(clip, physical, gradients):
    model, given = network(), batch()
    norms = by_hand(model, given, 1.0)[1]
    assert 0.05 < min(norms) < 0.8 * max(norms) < 80
    clip = sum(norms) / 2 if clip == "between" else clip
    how = private(Privacy(epsilon=50.0, noise=1e-9, clip=clip), gradients, physical)
    optimiser = how.optimiser(torch.optim.SGD(model.parameters(), lr=1.0))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    expected, _ = by_hand(model, given, clip)
    how.accumulate(optimiser, model, given, given.inputs, {})
    optimiser.step()
    for name, value in model.named_parameters():  # the mean over the two rows expected, of which all came
        step = (before[name] - value.detach()).double().numpy()
        np.testing.assert_allclose(step, np.asarray(expected.get(name, 0)) / 2 + 0 * step, atol=1e-6, rtol=1e-4)


def test_the_expected_rows_divide_whoever_came():
    """A row alone in its batch counts as much as beside others: else the divisor would tell how many came."""
    model, given = network(), batch()
    alone = Batch({n: Input(*(part[:1] for part in x[:2])) for n, x in given.inputs.items()},
                  {"y": tuple(part[:1] for part in given.targets["y"])}, given.rows[:1])  # fmt: skip
    model.loss(model(alone.inputs), alone.targets).backward()
    expected = model.head("y").linear.bias.grad / 2
    how = private(Privacy(epsilon=50.0, noise=1e-9, clip=100.0))
    optimiser = how.optimiser(torch.optim.SGD(model.parameters(), lr=1.0))
    how.accumulate(optimiser, model, alone, alone.inputs, {})
    optimiser.step()
    torch.testing.assert_close(model.head("y").linear.bias.grad, expected)


@pytest.mark.parametrize("secure", [False, True])
def test_a_step_of_nobody_is_noise_alone_of_the_deviation_asked_for(secure):
    torch.manual_seed(0)
    model = MultimodalModel({"a": encoders.VectorDense(3, 64)}, fusion.Mean(64), {"y": heads.Regression(64)})
    how = private(Privacy(epsilon=50.0, noise=3.0, clip=0.5, secure_noise=secure))
    optimiser = how.optimiser(torch.optim.SGD(model.parameters(), lr=1.0))
    nobody = Batch({}, {}, torch.zeros(0, dtype=torch.long))
    assert how.accumulate(optimiser, model, nobody, {}, {}) == 0.0
    optimiser.step()
    noise = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    assert len(noise) > 8000
    assert noise.std().item() == pytest.approx(3.0 * 0.5 / 2, rel=0.05)  # noise x clip / rows expected
    assert abs(noise.mean().item()) < 5 * 0.75 / np.sqrt(len(noise))


def test_neither_the_seed_nor_another_run_gives_the_noise_again():
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        model, how = network(), private()
        optimiser = how.optimiser(torch.optim.SGD(model.parameters(), lr=1.0))
        how.accumulate(optimiser, model, Batch({}, {}, torch.zeros(0, dtype=torch.long)), {}, {})
        optimiser.step()
        found.append(model.head("y").linear.bias.item())
    assert found[0] != found[1]


def test_training_that_goes_on_counts_what_was_spent():
    how, again = private(), private()
    how.steps = 6
    again.history = how.history
    assert (again.before, again.steps) == ([], 6)
    assert again.spent == how.spent > private().spent == 0.0
    other = private(Privacy(epsilon=50.0, noise=2.0))
    other.history = [list(part) for part in how.history]
    assert (other.before, other.steps) == ([(1.0, 0.2, 6)], 0)
    assert other.spent == pytest.approx(how.spent)
    other.steps = 3
    assert other.spent > how.spent


def test_it_is_over_where_one_step_more_would_be_too_much():
    how = private(Privacy(epsilon=4.0, noise=1.0))
    how.steps = 0
    while not how.over:
        how.steps += 1
    assert 0 < how.steps < how.planned
    assert how.spent <= 4.0
    how.steps += 1
    assert how.spent > 4.0


class Counting(Plain):
    """Keeps the mean of what it has seen."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, values, mask):
        self.seen = 0.9 * self.seen + 0.1 * values.mean(0)
        return super().forward(values, mask)


def test_a_layer_that_keeps_numbers_of_rows_is_refused_and_left_as_it_was():
    model = MultimodalModel({"a": Counting()}, fusion.Mean(1), {"y": heads.Regression(1)})
    given = batch()
    with pytest.raises(
        ConfigError,
        match=r"^the layer 'encoders.m0' \(Counting\) keeps numbers of the rows it has seen \('seen'\), which the noise of",
    ):
        choose_gradients(model, {"a": given.inputs["a"]}, given.targets, {})
    assert not model.encoder("a").seen.any()


class Looking(Plain):
    """Looks at a value to decide what to do."""

    def forward(self, values, mask):
        return super().forward(values if values.sum() > 0 else -values, mask)


def test_a_network_that_decides_by_values_is_computed_row_by_row_and_says_why():
    torch.manual_seed(0)
    model = MultimodalModel({"a": Looking()}, fusion.Mean(1), {"y": heads.Regression(1)})
    given = batch()
    function, reason = choose_gradients(model, {"a": given.inputs["a"]}, given.targets, {})
    assert function is one_by_one
    assert "data-dependent control flow" in reason
