"""Fusions in which tokens meet, against their formulas row by row, in float64 numpy on the real tokens alone."""

import math

import numpy as np
import pytest
import torch

from sensorium import fusion
from sensorium.encoders import Features
from sensorium.encoders.attention import TransformerBlock
from sensorium.errors import ConfigError
from sensorium.fusion.attention import CrossBlock
from sensorium.fusion.slots import AbsentTokens

NAMES, B, W, HEADS = ["a", "b", "c"], 8, 6, 2
LENGTHS = [4, 3, 5]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make(cls, names=NAMES, **sizes):
    module = cls(width=W, num_heads=HEADS, **sizes).double().eval()
    module.connect(names)
    module.double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def example(names=NAMES):
    """Masks with holes; row 0 has nothing, row 1 everything, row 2 the first alone."""
    features = {}
    for i, name in enumerate(names):
        mask = torch.rand(B, LENGTHS[i]) > 0.4
        mask[:, 1] = True
        mask[0] = False
        mask[2] = mask[2] & torch.tensor(i == 0)
        features[name] = Features(torch.randn(B, LENGTHS[i], W, dtype=torch.float64), mask)
    return features


def numpy(value):
    return value.detach().numpy()


def layer_norm(x, norm):
    scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return scaled * numpy(norm.weight) + numpy(norm.bias)


def linear(x, layer):
    return x @ numpy(layer.weight).T + (0 if layer.bias is None else numpy(layer.bias))


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def attend(block, x, queries, context):
    """x after the queries attended to the context, head by head, and after the block's MLP."""
    wq, wk, wv = np.split(numpy(block.qkv.weight), 3)
    seen = []
    for head in np.split(np.arange(W), HEADS):
        q, k, v = queries @ wq[head].T, context @ wk[head].T, context @ wv[head].T
        weight = np.exp(np.einsum("td,sd->ts", q, k) / math.sqrt(W // HEADS))
        seen.append(np.einsum("ts,sd->td", weight / weight.sum(1, keepdims=True), v))
    x = x + linear(np.concatenate(seen, axis=1), block.out)
    return x + linear(gelu(linear(layer_norm(x, block.norm2), block.mlp[0])), block.mlp[2])


def tokens_of(module, features, row):
    """The real tokens of each modality, normalised, or the learned one."""
    found = []
    for i, name in enumerate(module.modalities):
        tokens, mask = (numpy(part)[row] for part in features[name])
        absent = numpy(module.fill.absent)[i : i + 1]
        found.append(layer_norm(tokens[mask], module.fill.norms[i]) if mask.any() else absent)
    return found


def pool(tokens, module, i):
    score = np.exp(tokens @ numpy(module.pools[i].score.weight)[0])
    return score @ tokens / score.sum()


def test_attention():
    module = make(fusion.Attention, layers=2)
    features = example()
    slots = np.zeros((B, 3, W))
    for row in range(B):
        parts = tokens_of(module, features, row)
        for i in range(3):
            x, context = parts[i], np.concatenate([parts[n] for n in range(3) if n != i])
            for block in module.blocks[i]:
                x = attend(block, x, layer_norm(x, block.norm1), context)
            slots[row, i] = pool(layer_norm(x, module.norms[i]), module, i)
    expected = gelu(layer_norm(linear(slots.reshape(B, -1), module.mix[0]), module.mix[1]))
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-6)


def test_bottleneck():
    module = make(fusion.Bottleneck, tokens=2, layers=3)
    features = example()
    expected = np.zeros((B, W))
    for row in range(B):
        parts, shared = tokens_of(module, features, row), numpy(module.shared)
        for blocks in module.blocks:
            made = []
            for i, block in enumerate(blocks):
                x = np.concatenate([parts[i], shared])
                normed = layer_norm(x, block.norm1)
                x = attend(block, x, normed, normed)
                parts[i] = x[:-2]
                made.append(x[-2:])
            shared = sum(made) / 3
        expected[row] = sum(pool(layer_norm(parts[i], module.norms[i]), module, i) for i in range(3)) / 3
    np.testing.assert_allclose(numpy(module(features)), expected, atol=1e-6)


def test_attention_to_oneself_is_the_transformers_block():
    cross = CrossBlock(W, HEADS).eval()
    block = TransformerBlock(W, HEADS).eval()
    block.load_state_dict(cross.state_dict())
    x, mask = torch.randn(3, 5, W), torch.arange(5) < torch.tensor([[5], [1], [3]])
    torch.testing.assert_close(cross(x, cross.norm1(x), mask), block(x, mask))


def test_a_modality_alone_attends_to_itself():
    module = make(fusion.Attention, ["a"], layers=1)
    features = example(["a"])
    for row in range(B):
        (x,) = tokens_of(module, features, row)
        block = module.blocks[0][0]
        slot = pool(layer_norm(attend(block, x, layer_norm(x, block.norm1), x), module.norms[0]), module, 0)
        expected = gelu(layer_norm(linear(slot, module.mix[0]), module.mix[1]))
        np.testing.assert_allclose(numpy(module(features))[row], expected, atol=1e-6)


@pytest.mark.parametrize("cls", [fusion.Attention, fusion.Bottleneck])
def test_slots_are_those_of_the_encoders_tokens(cls):
    module = make(cls)
    torch.nn.init.zeros_(module.pools[0].score.weight)  # a plain mean, as at the start
    features = example()
    slots, present = module.slots(features)
    tokens, mask = features["a"]
    for row in range(B):
        expected = tokens[row][mask[row]].mean(0) if mask[row].any() else torch.zeros(W, dtype=torch.float64)
        torch.testing.assert_close(slots[row, 0], expected, rtol=1e-5, atol=1e-6)
    assert present.tolist() == torch.stack([features[name].mask.any(1) for name in NAMES], dim=1).tolist()


def test_an_absent_modality_has_one_token_and_no_other_has_it():
    fill = AbsentTokens(2, W)
    mask = torch.tensor([[True, False], [False, False]])
    (tokens, real), (_, other) = fill(
        [Features(torch.full((2, 2, W), math.nan).masked_fill(mask[..., None], 1), mask), None]
    )
    assert real.tolist() == [[True, False, False], [False, False, True]]
    assert other.tolist() == [[True], [True]]
    assert torch.equal(tokens[1, 2], fill.absent[0])
    assert tokens.isfinite().all()


def test_wrong_sizes():
    for cls in (fusion.Attention, fusion.Bottleneck):
        name = cls.__name__
        with pytest.raises(
            ConfigError, match=rf"{name}\.width must be a multiple of num_heads \(4\); got 10\. Try 8 or 12"
        ):
            cls(10)
        with pytest.raises(ConfigError, match=rf"{name}\.num_heads must be a whole number, 1 or more; got 0"):
            cls(8, num_heads=0)
    with pytest.raises(ConfigError, match=r"Attention\.layers must be a whole number, 1 or more; got 0"):
        fusion.Attention(8, layers=0)
    with pytest.raises(ConfigError, match=r"Bottleneck\.layers must be a whole number, 2 or more; got 1"):
        fusion.Bottleneck(8, layers=1)
    with pytest.raises(ConfigError, match=r"Bottleneck\.tokens must be a whole number, 1 or more; got 0"):
        fusion.Bottleneck(8, tokens=0)
