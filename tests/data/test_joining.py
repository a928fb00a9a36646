"""Batches put together: each row as it was, padded to the longest; rows behind the first batch's have no targets."""

import torch

from sensorium.data.batches import Batch
from sensorium.data.joining import appended
from sensorium.encoders.features import Features, Input


def batch_of(rows, length, known=None, place=0):
    torch.manual_seed(rows)
    inputs = {
        "call": Input(torch.randn(rows, length), torch.rand(rows, length) > 0.3, known),
        "photos": Input(torch.randint(0, 255, (rows, 2, 3, 4, 4), dtype=torch.uint8), torch.rand(rows, 2) > 0.5),
    }
    targets = {
        "label": (torch.arange(rows), torch.ones(rows, dtype=torch.bool)),
        "tags": (torch.ones(rows, 3), torch.arange(rows) > 0),
    }
    return Batch(inputs, targets, torch.arange(rows) + place)


def test_rows_stay_as_they_are_and_are_padded_with_what_is_not_real():
    first, second, third = batch_of(3, 5, place=7), batch_of(2, 8), batch_of(1, 2)
    whole = appended(first, [second._replace(targets={}), third._replace(targets={})])
    values, mask, known = whole.inputs["call"]
    assert known is None
    assert values.shape == mask.shape == (6, 8)
    start = 0
    for part in (first, second, third):
        rows, own = slice(start, start + len(part.rows)), part.inputs["call"]
        length = own.values.shape[1]
        assert torch.equal(values[rows, :length], own.values)
        assert torch.equal(mask[rows, :length], own.mask)
        assert not mask[rows, length:].any()
        assert torch.equal(whole.inputs["photos"].values[rows], part.inputs["photos"].values)
        start += len(part.rows)
    assert whole.inputs["photos"].values.dtype == torch.uint8
    for name, (target, there) in whole.targets.items():
        assert torch.equal(target[:3], first.targets[name][0])
        assert torch.equal(there[:3], first.targets[name][1])
        assert not there[3:].any()
    assert whole.rows.tolist() == [7, 8, 9, 0, 0, 0]


def test_what_a_frozen_encoder_knows_is_kept_where_it_is_known_of_all():
    known = [
        Features(torch.randn(rows, tokens, 4), torch.ones(rows, tokens, dtype=torch.bool))
        for rows, tokens in ((3, 2), (2, 5))
    ]
    first, second = batch_of(3, 5, known[0]), batch_of(2, 5, known[1])
    found = appended(first, [second]).inputs["call"].known
    assert torch.equal(found.tokens[:3, :2], known[0].tokens)
    assert torch.equal(found.tokens[3:], known[1].tokens)
    assert found.mask.sum(1).tolist() == [2, 2, 2, 5, 5]
    assert appended(first, [batch_of(2, 5)]).inputs["call"].known is None


def test_a_batch_without_others_is_itself():
    batch = batch_of(3, 5)
    whole = appended(batch, [])
    assert torch.equal(whole.inputs["call"].values, batch.inputs["call"].values)
    assert torch.equal(whole.targets["tags"][1], batch.targets["tags"][1])
