"""A reversed gradient, and the schedule of its weight."""

import numpy as np
import pytest
import torch

from sensorium.training.reversal import reverse, rise


@pytest.mark.parametrize("weight", [0.0, 0.25, 3.0])
def test_values_pass_and_the_gradient_comes_back_turned_round(weight):
    values = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    layer = torch.randn(3, 2, dtype=torch.float64)
    passed = reverse(values, weight)
    assert torch.equal(passed, values)
    (passed @ layer).square().sum().backward()
    with torch.no_grad():
        expected = -weight * 2 * (values @ layer) @ layer.T
    torch.testing.assert_close(values.grad, expected)


def test_what_stands_behind_learns_as_without():
    values, layer = torch.randn(5, 3), torch.nn.Linear(3, 1)
    layer(reverse(values, 7.0)).sum().backward()
    torch.testing.assert_close(layer.weight.grad[0], values.sum(0))


def test_the_weight_rises_as_ganin_has_it():
    done = np.linspace(0, 1, 11)
    np.testing.assert_allclose([rise(part) for part in done], 2 / (1 + np.exp(-10 * done)) - 1, rtol=1e-12)
    assert rise(0.0) == 0.0
