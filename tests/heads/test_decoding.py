"""Drawn tokens against the probabilities that they are drawn by."""

import pytest
import torch

from sensorium.errors import ConfigError
from sensorium.heads.decoding import Sampling, next_token

SHARES = [(place + 0.5) / 1000 for place in range(1000)]


def frequencies(logits, sampling):
    """How often each token comes, over evenly spread draws."""
    drawn = torch.stack([next_token(logits, sampling, share) for share in SHARES])  # (1000, B)
    return torch.stack([(drawn == token).double().mean(0) for token in range(logits.shape[1])], 1)


def test_the_likeliest_token_where_nothing_is_drawn():
    assert next_token(torch.tensor([[0.1, 0.3, 0.2], [5.0, -1.0, 4.9]])).tolist() == [1, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tokens_come_as_often_as_the_softmax_says(temperature):
    logits = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    expected = (logits.double() / temperature).softmax(1)
    found = frequencies(logits, Sampling(temperature=temperature))
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_top_p_keeps_the_fewest_likeliest_tokens_that_reach_it():
    logits = torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log()
    for top_p, expected in [(0.5, [0, 1, 0, 0]), (0.51, [0, 5 / 8, 0, 3 / 8]), (0.9, [3 / 19, 10 / 19, 0, 6 / 19])]:
        found = frequencies(logits, Sampling(top_p=top_p))
        torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.double), atol=2e-3, rtol=0)


def test_the_last_token_is_never_passed():
    assert next_token(torch.zeros(1, 4), Sampling(), 1 - 2**-53).item() == 3


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        (Sampling(temperature=0), "temperature must be a number above 0; got 0"),
        (Sampling(temperature=float("nan")), "temperature must be a number above 0; got nan"),
        (Sampling(top_p=0), "top_p must be above 0 and at most 1; got 0"),
        (Sampling(top_p=1.5), r"top_p must be above 0 and at most 1; got 1\.5"),
        (Sampling(seed=-1), "seed must be a whole number, 0 or more; got -1"),
    ],
)
def test_a_number_out_of_range(sampling, message):
    with pytest.raises(ConfigError, match=message):
        sampling.checked()
