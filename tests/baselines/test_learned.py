"""Buffers whose shapes come with what is loaded."""

import pytest
import torch
from torch import nn

from sensorium.baselines.learned import Learned


class Part(Learned):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("counts", torch.zeros(0, 0, dtype=torch.int64))


def filled():
    whole = nn.Sequential(Part(), nn.Sequential(Part()))
    whole[0].mean = torch.arange(3.0)
    whole[1][0].counts = torch.arange(6).reshape(2, 3)
    return whole


def test_a_state_brings_its_shapes_at_any_depth():
    whole, other = filled(), nn.Sequential(Part(), nn.Sequential(Part()))
    state = whole.state_dict()
    other.load_state_dict(state)
    for name, value in other.state_dict().items():
        assert value.dtype == state[name].dtype
        assert torch.equal(value, state[name])
    whole[0].mean += 1
    assert other[0].mean.tolist() == [0, 1, 2]  # a copy


def test_what_is_missing_or_too_much_is_still_refused():
    state = filled().state_dict()
    del state["0.mean"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0.mean"'):
        filled().load_state_dict(state)
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "0.more"'):
        filled().load_state_dict({**filled().state_dict(), "0.more": torch.zeros(1)})
