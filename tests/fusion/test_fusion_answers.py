"""Each fusion against its formula, written out in float64 numpy."""

import math

import numpy as np
import pytest
import torch

from sensorium import fusion
from sensorium.encoders import Features
from sensorium.errors import ConfigError
from sensorium.fusion.pooling import AttentionPool

NAMES, B, T, W = ["a", "b", "c"], 9, 3, 5


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make(cls, **sizes):
    module = cls(width=W, **sizes).double().eval()
    module.connect(NAMES)
    module.double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def example():
    features, present = {}, torch.rand(B, 3) > 0.4
    present[0], present[1] = True, False
    for i, name in enumerate(NAMES):
        mask = torch.rand(B, T) > 0.3
        mask[:, 1] = True
        features[name] = Features(torch.randn(B, T, W, dtype=torch.float64), mask & present[:, i : i + 1])
    return features, present.numpy()


def numpy(value):
    return value.detach().numpy()


def pooled(module, features):
    """Attention pooling, row by row: (B, M, W)."""
    slots = np.zeros((B, 3, W))
    for i, name in enumerate(NAMES):
        tokens, mask = map(numpy, features[name])
        weight = numpy(module.pools[i].score.weight)[0]
        for row in range(B):
            real = tokens[row][mask[row]]
            if len(real):
                score = np.exp(real @ weight)
                slots[row, i] = np.einsum("t,tw->w", score / score.sum(), real)
    return slots


def filled(module, slots, present):
    x = np.empty_like(slots)
    for i, norm in enumerate(module.fill.norms):
        centred = slots[:, i] - slots[:, i].mean(1, keepdims=True)
        scaled = centred / np.sqrt(slots[:, i].var(1, keepdims=True) + 1e-5)
        x[:, i] = scaled * numpy(norm.weight) + numpy(norm.bias)
    return np.where(present[..., None], x, numpy(module.fill.absent))


def layer_norm(x, norm):
    scaled = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    return scaled * numpy(norm.weight) + numpy(norm.bias)


def linear(x, layer):
    return np.einsum("bi,oi->bo", x, numpy(layer.weight)) + numpy(layer.bias)


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def test_the_pool_starts_as_the_masked_mean():
    tokens, mask = torch.randn(4, 6, W), torch.arange(6) < torch.tensor([[6], [2], [0], [1]])
    found = AttentionPool(W)(Features(tokens, mask))
    for row, count in enumerate([6, 2, 0, 1]):
        expected = tokens[row, :count].mean(0) if count else torch.zeros(W)
        torch.testing.assert_close(found[row], expected)


def test_mean():
    module = make(fusion.Mean)
    features, present = example()
    p = present.astype(float)
    total = np.einsum("bm,bmw->bw", p, pooled(module, features))
    count = p.sum(1, keepdims=True)
    expected = np.where(count > 0, total / np.maximum(count, 1), numpy(module.empty))
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-6)


def test_weighted():
    module = make(fusion.Weighted)
    features, present = example()
    a = np.exp(numpy(module.weight)) * present
    total = np.einsum("bm,bmw->bw", a / np.maximum(a.sum(1, keepdims=True), 1e-300), pooled(module, features))
    expected = np.where(present.any(1, keepdims=True), total, numpy(module.empty))
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-6)


def test_concat():
    module = make(fusion.Concat)
    features, present = example()
    x = filled(module, pooled(module, features), present).reshape(B, -1)
    expected = gelu(layer_norm(linear(x, module.mix[0]), module.mix[1]))
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-6)


def test_gated():
    module = make(fusion.Gated)
    features, present = example()
    x = filled(module, pooled(module, features), present)
    h = np.stack([np.tanh(linear(x[:, i], module.hidden[i])) for i in range(3)], axis=1)
    gate = np.exp(linear(x.reshape(B, -1), module.gate).reshape(B, 3, W)) * present[..., None]
    z = gate / np.maximum(gate.sum(1, keepdims=True), 1e-300)
    expected = np.where(present.any(1, keepdims=True), np.einsum("bmw,bmw->bw", z, h), numpy(module.empty))
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-6)


def test_deep():
    module = make(fusion.Deep, layers=2, hidden=7)
    features, present = example()
    x = linear(filled(module, pooled(module, features), present).reshape(B, -1), module.first)
    for block in module.blocks:
        x = x + linear(gelu(linear(layer_norm(x, block[0]), block[1])), block[4])
    expected = linear(layer_norm(x, module.last[0]), module.last[1])
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-5)


def test_wrong_sizes():
    for name in ("layers", "hidden"):
        with pytest.raises(ConfigError, match=rf"Deep\.{name} must be a whole number, 1 or more; got 0"):
            fusion.Deep(**{name: 0})


def test_what_is_built_late_is_in_the_mode_of_the_rest():
    module = fusion.Deep(W).eval()
    module.connect(NAMES)
    assert not any(part.training for part in module.modules())


def test_add():
    fusion.add("average", fusion.Mean)
    assert fusion.FUSIONS.pop("average") is fusion.Mean
    with pytest.raises(ConfigError, match=r"'mean' must have a new name; got that of Mean\. Taken: concat, deep"):
        fusion.add("mean", fusion.Concat)
