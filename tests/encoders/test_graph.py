"""The form of the encoders that a graph can hold: every row computed, the same answer."""

import math

import pytest
import torch
from descriptors import ENCODER_ROWS

from sensorium.encoders.graph import as_graph, groups, in_graph
from sensorium.encoders.rows import encode_real, shown


def test_it_lasts_as_long_as_its_block():
    assert not in_graph()
    with pytest.raises(ZeroDivisionError), as_graph():  # noqa: PT012
        assert in_graph()
        _ = 1 / 0
    assert not in_graph()


@pytest.mark.parametrize("row", ENCODER_ROWS, ids=str)
def test_an_encoder_says_the_same_in_either_form(row):
    torch.manual_seed(0)
    encoder, (values, mask, _) = row.build().eval(), row.example()
    with torch.no_grad():
        tokens, real = encoder(values, mask)
        with as_graph():
            again, real_again = encoder(values, mask)
    assert torch.equal(real, real_again)
    torch.testing.assert_close(again[real], tokens[real], atol=1e-5, rtol=1e-4)
    assert not again[2].any()  # of the row that misses the input


def test_nothing_of_an_absent_row_is_hidden_from_its_computation():
    mask = torch.tensor([[True, False], [False, False]])
    assert shown(mask).tolist() == [[True, False], [True, True]]
    assert shown(mask.any(1)).tolist() == [True, True]


def test_real_positions_alone_are_encoded():
    values, mask = torch.tensor([[4.0, math.nan], [9.0, 16.0]]), torch.tensor([[True, False], [False, True]])
    seen = []

    def root(x):
        seen.append(len(x))
        return x.sqrt()[:, None]

    plain = encode_real(root, values, mask)
    with as_graph():
        assert torch.equal(encode_real(root, values, mask), plain)
    assert plain[..., 0].tolist() == [[2, 0], [0, 4]]
    assert seen == [2, 4]


def test_groups_cover_every_place_once():
    assert groups(6, 3).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert groups(7, 3).shape == (3, 3)
    assert groups(1, 4).tolist() == [[0, 1, 2, 3]]
