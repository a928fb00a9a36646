"""The parts that encoders share, against torch's own and closed forms."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sensorium.encoders.attention import Transformer, TransformerBlock, sinusoidal
from sensorium.encoders.norm import MaskedBatchNorm, SafeBatchNorm2d
from sensorium.encoders.number_embedding import NumberEmbedding
from sensorium.encoders.recurrent import BiGRU
from sensorium.encoders.spec_augment import SpecAugment
from sensorium.encoders.time_conv import TimeConv, pool_time
from sensorium.errors import ConfigError

MASK = torch.arange(6) < torch.tensor([[6], [4], [1]])


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def test_masked_batch_norm_is_batch_norm_of_the_real_positions():
    x = torch.randn(3, 6, 5) * 3 + 1
    ours, theirs = MaskedBatchNorm(5), nn.BatchNorm1d(5)
    y = ours(x, MASK)
    torch.testing.assert_close(y[MASK], theirs(x[MASK]))
    assert (y[~MASK] == 0).all()
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x, MASK)[MASK], theirs.eval()(x[MASK]))


def test_masked_batch_norm_of_frames():
    x = torch.randn(3, 6, 2, 4, 5)
    y = MaskedBatchNorm(5)(x, MASK)
    torch.testing.assert_close(y[MASK].reshape(-1, 5), nn.BatchNorm1d(5)(x[MASK].reshape(-1, 5)))


@pytest.mark.parametrize("real", [0, 1])
def test_masked_batch_norm_with_fewer_than_two(real):
    norm = MaskedBatchNorm(2)
    norm.running_mean.fill_(3.0)
    y = norm(torch.full((1, 4, 2), 5.0), torch.arange(4)[None] < real)
    assert y[0, :, 0].tolist() == pytest.approx([2.0] * real + [0.0] * (4 - real), abs=1e-4)
    assert (norm.running_mean == 3).all()


def test_safe_batch_norm():
    ours, theirs = SafeBatchNorm2d(3), nn.BatchNorm2d(3)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(ours(x), theirs(x))
    assert ours(torch.randn(1, 3, 1, 1)).isfinite().all()


def test_a_block_is_attention_written_out():
    block = TransformerBlock(8, num_heads=2, dropout=0.0).double()
    x = torch.randn(3, 6, 8, dtype=torch.float64)
    y = block.norm1(x)
    q, k, v = (y @ w.T for w in block.qkv.weight.chunk(3))
    seen = []
    for h in (slice(0, 4), slice(4, 8)):
        score = torch.einsum("bid,bjd->bij", q[..., h], k[..., h]) / 2
        seen.append(score.masked_fill(~MASK[:, None], -torch.inf).softmax(-1) @ v[..., h])
    expected = x + block.out(torch.cat(seen, -1))
    expected = expected + block.mlp(block.norm2(expected))
    torch.testing.assert_close(block(x, MASK), expected)


def test_attention_over_nothing_is_finite():
    mask = MASK.clone()
    mask[1] = False
    x = torch.randn(3, 6, 8, requires_grad=True)
    y = Transformer(8, layers=2, num_heads=2)(x, mask)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert (y[~mask] == 0).all()


def test_sinusoidal():
    table = sinusoidal(50, 6).double().numpy()
    for place, i in [(0, 0), (7, 1), (49, 2)]:
        rate = 10_000 ** (-i / 3)
        assert table[place, i] == pytest.approx(np.sin(place * rate), abs=1e-5)
        assert table[place, 3 + i] == pytest.approx(np.cos(place * rate), abs=1e-5)
    assert sinusoidal(5, 7).shape == (5, 7)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_gru_is_torchs_on_packed_sequences(layers):
    ours, theirs = BiGRU(4, 3, layers), nn.GRU(4, 3, layers, batch_first=True, bidirectional=True)
    for i in range(layers):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(theirs, f"{name}_l{i}").data = getattr(ours.ahead[i], f"{name}_l0").data
            getattr(theirs, f"{name}_l{i}_reverse").data = getattr(ours.back[i], f"{name}_l0").data
    x = torch.randn(3, 6, 4)
    packed = pack_padded_sequence(x, MASK.sum(1), batch_first=True)
    expected = pad_packed_sequence(theirs(packed)[0], batch_first=True)[0]
    torch.testing.assert_close(ours(x, MASK), expected)


def test_the_gru_skips_holes():
    gru, x = BiGRU(4, 3), torch.randn(1, 5, 4)
    mask = torch.tensor([[False, True, False, True, True]])
    y = gru(x, mask)
    torch.testing.assert_close(y[mask][None], gru(x[mask][None], torch.ones(1, 3, dtype=torch.bool)))
    assert (y[~mask] == 0).all()


def test_the_grus_sizes():
    for name, sizes in (("layers", {"layers": 0}), ("hidden", {"hidden": 0})):
        with pytest.raises(ConfigError, match=rf"BiGRU\.{name} must be a whole number, 1 or more; got 0"):
            BiGRU(**{"size": 4, "hidden": 3, **sizes})
    with pytest.raises(ConfigError, match=r"Transformer\.layers must be a whole number, 1 or more; got 0"):
        Transformer(8, layers=0)
    with pytest.raises(ConfigError, match=r"TransformerBlock\.width must be a multiple of num_heads \(3\); got 8"):
        TransformerBlock(8, num_heads=3)


@pytest.mark.parametrize("factor", [2, 4])
def test_pool_time_is_the_largest_real_value(factor):
    x = torch.randn(3, 6, 2) - 5
    y, mask = pool_time(x, MASK, factor)
    for row in range(3):
        for t in range(y.shape[1]):
            window = x[row, t * factor : (t + 1) * factor][MASK[row, t * factor : (t + 1) * factor]]
            assert bool(mask[row, t]) == (len(window) > 0)
            expected = window.amax(0) if len(window) else torch.zeros(2)
            assert torch.equal(y[row, t], expected)


def test_time_conv_keeps_masked_positions_zero():
    x = torch.randn(3, 6, 4).masked_fill(~MASK[..., None], 0)
    assert (TimeConv(4, 5)(x, MASK)[~MASK] == 0).all()


def test_spec_augment_hides_stretches_within_its_limits():
    x = torch.ones(64, 40, 20)
    mask = torch.arange(40).expand(64, 40) < torch.randint(1, 41, (64, 1))
    augment = SpecAugment(time=0.5, band=0.3)
    y = augment(x, mask)
    hidden_time, hidden_band = (y == 0).all(2), (y == 0).all(1)
    assert hidden_time.any()
    assert hidden_band.any()
    assert (hidden_time.sum(1) <= 0.5 * mask.sum(1)).all()
    assert (hidden_band.sum(1) <= 0.3 * 20).all()
    assert torch.equal(y == 0, hidden_time[:, :, None] | hidden_band[:, None, :])
    edges = nn.functional.pad(hidden_time.int(), (1, 1)).diff(dim=1).abs().sum(1)
    assert (edges <= 2).all()  # one stretch
    assert torch.equal(augment.eval()(x, mask), x)
    with pytest.raises(ConfigError, match=r"SpecAugment\.band must be .* 1; got 1\.0"):
        SpecAugment(band=1.0)


def test_number_embedding_clamps_and_keeps_columns_apart():
    embed = NumberEmbedding(3, 8)
    assert torch.equal(embed(torch.full((1, 3), 1e9)), embed(torch.full((1, 3), 10.0)))
    x = torch.randn(2, 3)
    other = x.clone()
    other[:, 1] += 1
    changed = (embed(x) != embed(other)).any(2)
    assert changed.tolist() == [[False, True, False]] * 2
