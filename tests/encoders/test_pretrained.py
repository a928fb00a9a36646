"""What is learned on top of a pretrained network, and what of the network learns."""

import pytest
import torch
from descriptors import WIDTH, TinyBody, pretrained, text
from torch import nn

from sensorium.encoders import Bag, Pretrained
from sensorium.errors import ConfigError


def learning(encoder):
    return {name for name, parameter in encoder.body.named_parameters() if parameter.requires_grad}


def test_frozen_never_learns_nor_drops():
    encoder = Pretrained(TinyBody("text"), WIDTH).train()
    assert learning(encoder) == set()
    assert not encoder.body.training
    assert encoder.drop.training
    values, mask, *_ = text()
    assert not encoder.look(values, mask).tokens.requires_grad
    assert encoder(values, mask).tokens.requires_grad


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ("all", {"first.weight", "blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias"}),
        ("top:1", {"blocks.1.weight", "blocks.1.bias"}),
        ("top:2", {"blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias"}),
    ],
)
def test_what_learns(train, expected):
    assert learning(Pretrained(TinyBody("text"), WIDTH, train=train)) == expected


def test_more_blocks_than_there_are():
    with pytest.raises(ConfigError, match=r"Pretrained.train must be top:1 to top:2; got top:3"):
        Pretrained(TinyBody("text"), WIDTH, train="top:3")


def test_what_comes_after_the_last_block_learns_with_it():
    body = TinyBody("text")
    body.last = nn.LayerNorm(8)
    assert {"last.weight", "last.bias"} < learning(Pretrained(body, WIDTH, train="top:1"))


def test_blocks_are_let_loose_one_an_epoch():
    encoder = Pretrained(TinyBody("text"), WIDTH, train="all", gradual=True)
    encoder.thaw(0)
    assert learning(encoder) == {"first.weight", "blocks.1.weight", "blocks.1.bias"}
    encoder.thaw(1)
    assert len(learning(encoder)) == 5


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_pooling_is_a_mean_or_the_first_token(pooling):
    encoder = Pretrained(TinyBody("text"), WIDTH, pooling=pooling).eval()
    values, mask, *_ = text()
    (layer,), _ = encoder.body(values, mask)
    seen = encoder.look(values, mask)
    assert seen.tokens.shape == (4, 1, 8)
    assert seen.mask[:, 0].tolist() == [True, True, False, True]
    own = layer[1, :4].double().mean(0) if pooling == "mean" else layer[1, 0].double()
    torch.testing.assert_close(seen.tokens[1, 0].double(), own)


def test_the_mix_begins_as_the_mean_of_all_layers():
    encoder = Pretrained(TinyBody("text"), WIDTH, layers="mix").eval()
    values, mask, *_ = text()
    seen = encoder.look(values, mask)
    assert seen.tokens.shape == (4, 1, 3 * 8)
    mean = seen.tokens.unflatten(2, (3, 8)).mean(2)
    expected = encoder.linear(encoder.norm(mean)).masked_fill(~seen.mask[..., None], 0)
    torch.testing.assert_close(encoder.adapt(seen).tokens, expected)


def test_layers_of_several_widths_are_not_mixed():
    body = TinyBody("text")
    body.even = False
    with pytest.raises(ConfigError, match="layers must be last; got mix"):
        Pretrained(body, WIDTH, layers="mix")


def test_a_network_without_a_first_token():
    body = TinyBody("text")
    body.has_cls = False
    with pytest.raises(ConfigError, match="pooling must be mean or tokens; got cls"):
        Pretrained(body, WIDTH, pooling="cls")


def test_batch_norm_keeps_its_statistics_while_the_rest_learns():
    body = TinyBody("text")
    body.norm = nn.BatchNorm1d(8)
    encoder = Pretrained(body, WIDTH, train="all").train()
    assert encoder.body.training
    assert not body.norm.training


def test_looking_then_adapting_is_the_whole():
    encoder = pretrained("text").eval()
    values, mask, *_ = text()
    torch.testing.assert_close(encoder.adapt(encoder.look(values, mask)).tokens, encoder(values, mask).tokens)


def test_a_bag_looks_at_each_of_its_items():
    encoder = Bag(Pretrained(TinyBody("image"), WIDTH)).eval()
    assert encoder.frozen
    pictures = torch.rand(2, 3, 3, 8, 8)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    seen = encoder.look(pictures, mask)
    assert seen.mask.tolist() == mask.tolist()
    torch.testing.assert_close(encoder.adapt(seen).tokens, encoder(pictures, mask).tokens)
