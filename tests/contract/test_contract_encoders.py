"""What holds for every encoder."""

import copy

import pytest
import torch
from descriptors import ENCODER_ROWS, ROWS, WIDTH

from sensorium.encoders import Features, Input

pytestmark = pytest.mark.parametrize("row", ENCODER_ROWS, ids=str)
CLOSE = {"rtol": 1e-4, "atol": 2e-5}


def build(row):
    torch.manual_seed(0)
    return row.build()


def spread(mask: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The mask with the values' trailing dimensions."""
    return mask.view(*mask.shape, *[1] * (values.dim() - mask.dim())).expand_as(values)


def same(left: Features, right: Features) -> None:
    """Equal where real, in rows and number of real tokens."""
    assert left.mask.sum(1).tolist() == right.mask.sum(1).tolist()
    torch.testing.assert_close(left.tokens[left.mask], right.tokens[right.mask], **CLOSE)


def test_shapes_and_mask(row):
    encoder, (values, mask, *_) = build(row), row.example()
    assert encoder.width == WIDTH
    assert encoder.mask_dims == mask.dim()
    tokens, real = encoder(values, mask)
    assert tokens.shape == (ROWS, real.shape[1], WIDTH)
    assert tokens.dtype == torch.float32
    assert real.dtype == torch.bool
    assert real.any(1).tolist() == [True, True, False, True]
    assert tokens.isfinite().all()


def test_a_row_alone_is_the_row_in_the_batch(row):
    encoder, (values, mask, *_) = build(row).eval(), row.example()
    together = encoder(values, mask)
    for i in (0, 1, 3):
        last = int(mask[i].nonzero().max()) + 1 if row.time else None
        part = slice(None, last) if row.time else slice(None)
        alone = encoder(values[i : i + 1, part], mask[i : i + 1, part] if mask.dim() > 1 else mask[i : i + 1])
        same(alone, Features(together.tokens[i : i + 1], together.mask[i : i + 1]))


@pytest.mark.parametrize("training", [False, True])
def test_values_under_a_false_mask_change_nothing(row, training):
    encoder, (values, mask, *_) = build(row).train(training), row.example()
    worst = float("nan") if values.is_floating_point() else 10**9
    spoiled = values.masked_fill(~spread(mask, values), worst)
    again = copy.deepcopy(encoder)
    torch.manual_seed(1)
    clean = encoder(values, mask)
    torch.manual_seed(1)
    dirty = again(spoiled, mask)
    assert torch.equal(clean.tokens, dirty.tokens)
    assert torch.equal(clean.mask, dirty.mask)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_order_of_rows(row):
    encoder, (values, mask, *_) = build(row).eval(), row.example()
    order = torch.tensor([3, 2, 0, 1])
    straight, turned = encoder(values, mask), encoder(values[order], mask[order])
    same(Features(straight.tokens[order], straight.mask[order]), turned)


def test_every_parameter_gets_a_gradient(row):
    encoder, (values, mask, *_) = build(row).eval(), row.example()
    tokens, real = encoder(values, mask)
    (tokens[real] * torch.randn_like(tokens[real])).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("training", [False, True])
def test_nothing_present_stays_finite(row, training):
    encoder, (values, mask, *_) = build(row).train(training), row.example()
    before = copy.deepcopy(encoder.state_dict())
    tokens, real = encoder(values, torch.zeros_like(mask))
    assert tokens.shape[0] == ROWS
    assert tokens.shape[2] == WIDTH
    assert tokens.isfinite().all()
    assert not real.any()
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("index", [0, 1])
def test_a_batch_of_one_trains(row, index):
    encoder, (values, mask, *_) = build(row).train(), row.example()
    tokens, real = encoder(values[index : index + 1], mask[index : index + 1])
    tokens[real].square().sum().backward()
    assert tokens.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())
    assert all(value.isfinite().all() for value in encoder.state_dict().values())


def test_eval_is_deterministic(row):
    encoder, (values, mask, *_) = build(row).eval(), row.example()
    assert torch.equal(encoder(values, mask).tokens, encoder(values, mask).tokens)


def test_bf16(row):
    encoder, (values, mask, *_) = build(row).train(), row.example()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens, real = encoder(values, mask)
    tokens[real].float().square().sum().backward()
    assert tokens.isfinite().all()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


def test_state_dict_round_trip(row):
    encoder, (values, mask, *_) = build(row), row.example()
    encoder(values, mask)  # moves the running statistics
    torch.manual_seed(5)
    other = row.build()
    other.load_state_dict(encoder.state_dict())
    left, right = encoder.eval()(values, mask), other.eval()(values, mask)
    assert torch.equal(left.tokens, right.tokens)


@pytest.mark.parametrize("training", [False, True])
def test_inputs_are_not_modified(row, training):
    encoder, given = build(row).train(training), row.example()
    kept = Input(given.values.clone(), given.mask.clone())
    encoder(given.values, given.mask)
    assert torch.equal(given.values, kept.values)
    assert torch.equal(given.mask, kept.mask)
