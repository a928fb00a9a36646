"""What holds for every encoder that reads time: padding is invisible, and one moment is enough."""

import pytest
import torch
from descriptors import ENCODER_ROWS
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

TIME_ROWS = [row for row in ENCODER_ROWS if row.time]
pytestmark = pytest.mark.parametrize("row", TIME_ROWS, ids=str)


def test_all_kinds_of_time_are_here(row):
    assert len(TIME_ROWS) == 11


@pytest.mark.parametrize("more", [1, 7, 33])
@pytest.mark.parametrize("batch_statistics", [False, True])
def test_padding_longer_changes_nothing(row, more, batch_statistics):
    torch.manual_seed(0)
    encoder, (values, mask, *_) = row.build().eval(), row.example()
    for module in encoder.modules():
        if isinstance(module, _BatchNorm):
            module.train(batch_statistics)
    more = more * 40 if row.modality == "audio" else more
    longer = F.pad(values, [0] * 2 * (values.dim() - 2) + [0, more], value=7)
    short, long = encoder(values, mask), encoder(longer, F.pad(mask, (0, more)))
    assert short.mask.sum(1).tolist() == long.mask.sum(1).tolist()
    torch.testing.assert_close(long.tokens[long.mask], short.tokens[short.mask], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("steps", [1, 2])
def test_one_moment_trains(row, steps):
    encoder, (values, mask, *_) = row.build().train(), row.example()
    tokens, real = encoder(values[:1, :steps], mask[:1, :steps])
    tokens[real].square().sum().backward()
    assert tokens.isfinite().all()
    assert real.any()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)
