"""A limit on what a network may take while it is built."""

import threading

import pytest
import torch
from torch import nn

from sensorium.errors import DataError
from sensorium.export.budget import at_most


def test_what_fits_is_built():
    with at_most(4 * (6 + 3), 2, "it"):
        assert nn.Linear(2, 3)(torch.zeros(1, 2)).shape == (1, 3)


@pytest.mark.parametrize(("size", "count"), [(4 * (6 + 3) - 1, 9), (10**6, 1)])
def test_what_does_not_fit_is_refused(size, count):
    message = r"^it does not fit the configuration of the run, which asks for 36 bytes in 2 tensors or more.$"
    with pytest.raises(DataError, match=message), at_most(size, count, "it"):
        nn.Linear(2, 3)


def test_buffers_count():
    with pytest.raises(DataError, match="does not fit"), at_most(10, 9, "it"):
        nn.Module().register_buffer("table", torch.zeros(3))


def test_a_huge_parameter_is_refused_before_it_is_filled():
    """400 GB, of which no page is touched: were it filled, this would end the process."""
    with pytest.raises((DataError, RuntimeError), match=r"does not fit|allocate"), at_most(10**6, 9, "it"):
        nn.Linear(10**6, 10**5)


def test_it_is_over_afterwards_and_for_others():
    found = []
    with at_most(1, 1, "it"):
        other = threading.Thread(target=lambda: found.append(nn.Linear(2, 3)))
        other.start()
        other.join()
    assert len(found) == 1
    assert nn.Linear(20, 30).weight.shape == (30, 20)
