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


def normed(slots, norms):
    return np.stack([layer_norm(slots[:, i], norm) for i, norm in enumerate(norms)], axis=1)


def test_tensor_is_the_outer_product():
    module = make(fusion.TensorFusion, size=2)
    features, present = example()
    x = normed(pooled(module, features), [part[0] for part in module.parts])
    z = np.ones((B, 3, 3))
    for i, part in enumerate(module.parts):
        z[:, i, :2] = linear(x[:, i], part[1]) * present[:, i : i + 1]
    product = np.einsum("bi,bj,bk->bijk", *z.transpose(1, 0, 2)).reshape(B, 27)
    expected = gelu(layer_norm(linear(product, module.mix[0]), module.mix[1]))
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-6)


def test_tensor_without_a_modality_is_that_of_the_others():
    """The products without the absent one are those that its 1 picks; all others are gone."""
    module = make(fusion.TensorFusion, size=2)
    features, _ = example()
    features["b"] = Features(features["b"].tokens, torch.zeros_like(features["b"].mask))
    slots = normed(pooled(module, features), [part[0] for part in module.parts])
    z = [linear(slots[:, i], module.parts[i][1]) * numpy(features[n].mask.any(1))[:, None] for i, n in enumerate(NAMES)]
    a, c = (np.concatenate([z[i], np.ones((B, 1))], axis=1) for i in (0, 2))
    weight = numpy(module.mix[0].weight).reshape(W, 3, 3, 3)[:, :, 2]  # (W, of a, of c)
    mixed = np.einsum("oik,bi,bk->bo", weight, a, c) + numpy(module.mix[0].bias)
    np.testing.assert_allclose(numpy(module(features)), gelu(layer_norm(mixed, module.mix[1])), atol=1e-6)


@pytest.mark.parametrize(
    ("count", "width", "size"), [(1, 128, 128), (2, 128, 63), (2, 16, 16), (3, 128, 15), (4, 128, 7), (12, 128, 1)]
)
def test_tensor_takes_the_largest_size_that_fits(count, width, size):
    module = fusion.TensorFusion(width)
    module.connect([str(i) for i in range(count)])
    assert [part[1].out_features for part in module.parts] == [size] * count
    assert module.mix[0].in_features == (size + 1) ** count <= 4096


@pytest.mark.parametrize(
    ("count", "sizes", "message"),
    [
        (3, {"size": 16}, "at most 4096 products (most); got (16 + 1) ** 3 modalities = 4913. Take size 15 or less, raise"),
        (13, {}, "at most 4096 products (most); got (1 + 1) ** 13 modalities = 8192. Take fewer modalities, raise most, or"),
        (2, {"most": 3}, "at most 3 products (most); got (1 + 1) ** 2 modalities = 4. Take fewer modalities, raise most"),
    ],
)  # fmt: skip
def test_tensor_refuses_too_many_products(count, sizes, message):
    with pytest.raises(ConfigError) as error:
        fusion.TensorFusion(32, **sizes).connect([str(i) for i in range(count)])
    assert f"TensorFusion must make {message}" in str(error.value)


def test_low_rank_is_the_full_tensor_made_of_its_factors():
    module = make(fusion.LowRank, rank=2)
    features, present = example()
    x = normed(pooled(module, features), module.norms) * present[..., None]
    z = np.concatenate([x, np.ones((B, 3, 1))], axis=2)  # (B, M, W + 1)
    factors = [
        np.concatenate([numpy(f.weight), numpy(f.bias)[:, None]], axis=1).reshape(2, W, W + 1) for f in module.factors
    ]
    tensor = np.einsum("roi,roj,rok->oijk", *factors)
    h = np.einsum("oijk,bi,bj,bk->bo", tensor, *z.transpose(1, 0, 2))
    np.testing.assert_allclose(numpy(module(features)), layer_norm(h, module.norm), atol=1e-6)


def test_low_rank_starts_neither_dead_nor_huge_with_many_modalities():
    module = fusion.LowRank(32).eval()
    names = [str(i) for i in range(30)]
    module.connect(names)
    seen = []
    module.norm.register_forward_hook(lambda _, inputs, out: seen.append(inputs[0]))
    module({name: Features(torch.randn(64, 2, 32), torch.ones(64, 2, dtype=torch.bool)) for name in names})
    assert 0.1 < seen[0].std() < 100


def test_film():
    module = make(fusion.Film)
    features, present = example()
    x = filled(module, pooled(module, features), present)
    expected = 0
    for target, rest in enumerate([(1, 2), (0, 2), (0, 1)]):
        gamma, beta = np.split(sum(linear(x[:, n], module.modulate[n]) for n in rest) / 2, 2, axis=1)
        expected = expected + gelu((1 + gamma) * x[:, target] + beta) / 3
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-6)


@pytest.mark.parametrize("weights", ["learned", "equal"])
def test_late_and_a_linear_head_are_the_weighted_mean_of_linear_heads(weights):
    module = make(fusion.Late, weights=weights)
    head = torch.nn.Linear(W, 4).double()
    features, present = example()
    x = normed(pooled(module, features), [part[0] for part in module.decide])
    w = np.exp(numpy(module.weight)) * present if weights == "learned" else present.astype(float)
    answer = np.zeros((B, 4))
    for m, part in enumerate(module.decide):
        own = numpy(head.weight) @ numpy(part[1].weight)  # the modality's own linear head
        bias = numpy(head.weight) @ numpy(part[1].bias) + numpy(head.bias)
        answer += w[:, m : m + 1] * (x[:, m] @ own.T + bias) / np.maximum(w.sum(1, keepdims=True), 1e-300)
    answer[~present.any(1)] = numpy(head(module.empty))
    np.testing.assert_allclose(numpy(head(module(features))), answer, atol=1e-6)


def test_equal_weights_are_never_learned():
    module = make(fusion.Late, weights="equal")
    assert "weight" not in dict(module.named_parameters())
    assert module.weight.tolist() == [0, 0, 0]


def test_late_refuses_other_weights():
    with pytest.raises(
        ConfigError, match=r"Late\.weights: unknown weights 'equl'\. Did you mean 'equal'\? There are: "
    ):
        fusion.Late(weights="equl")


def gaussians(module, features):
    """Means and precisions that each modality says: (B, M, W) both."""
    x = normed(pooled(module, features), [part[0] for part in module.say])
    said = np.stack([linear(x[:, i], part[1]) for i, part in enumerate(module.say)], axis=1)
    return said[..., :W], np.exp(said[..., W:])


def test_experts_in_closed_form():
    module = make(fusion.Experts)
    features, present = example()
    mean, precision = gaussians(module, features)
    precision = precision * present[..., None]
    expected = np.einsum("bmw,bmw->bw", precision, mean) / (1 + precision.sum(1))
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-6)
    assert not expected[~present.any(1)].any()


def test_experts_is_the_mean_of_the_product_of_densities():
    """The densities themselves, multiplied on a grid and integrated."""
    module = make(fusion.Experts)
    features, present = example()
    mean, precision = gaussians(module, features)
    grid = np.linspace(-30, 30, 60_001)
    for row in range(4):
        for column in range(W):
            density = np.exp(-(grid**2) / 2)  # the prior
            for m in np.flatnonzero(present[row]):
                density = density * np.exp(-precision[row, m, column] * (grid - mean[row, m, column]) ** 2 / 2)
            expected = (grid * density).sum() / density.sum()
            np.testing.assert_allclose(module(features)[row, column].item(), expected, atol=1e-5)


def test_an_expert_that_is_very_sure_does_not_overflow():
    module = make(fusion.Experts).float()
    torch.nn.init.constant_(module.say[0][1].bias, 500.0)  # a precision of exp(500)
    features = {name: Features(torch.randn(2, T, W), torch.ones(2, T, dtype=torch.bool)) for name in NAMES}
    assert module(features).isfinite().all()


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
    with pytest.raises(
        ConfigError, match=r"'mean' must have a new name; got that of Mean\. Taken: attention, bottleneck, concat"
    ):
        fusion.add("mean", fusion.Concat)
