"""What holds for every fusion."""

import itertools

import pytest
import torch
from descriptors import FUSION_ROWS, WIDTH

from sensorium.encoders import Features
from sensorium.errors import ConfigError

pytestmark = pytest.mark.parametrize("row", FUSION_ROWS, ids=str)
NAMES = ["photo", "review", "call"]


def build(row):
    torch.manual_seed(0)
    fusion = row.build()
    fusion.connect(NAMES)
    for pool in fusion.pools:
        for weight in pool.parameters():
            torch.nn.init.normal_(weight)
    return fusion


def example() -> dict[str, Features]:
    """Eight rows: every subset of the modalities."""
    torch.manual_seed(1)
    there = torch.tensor(list(itertools.product([True, False], repeat=3)))
    features = {}
    for i, name in enumerate(NAMES):
        mask = torch.rand(8, 4) > 0.3
        mask[:, 0] = True
        features[name] = Features(torch.randn(8, 4, WIDTH), mask & there[:, i : i + 1])
    return features


def spoil(features: dict[str, Features], worst: float) -> dict[str, Features]:
    return {n: Features(t.masked_fill(~m[..., None], worst), m) for n, (t, m) in features.items()}


def test_shape_and_finite_with_any_subset(row):
    fused = build(row).eval()(example())
    assert fused.shape == (8, WIDTH)
    assert fused.isfinite().all()


@pytest.mark.parametrize("worst", [float("nan"), float("inf"), 1e30])
def test_absent_values_never_reach_the_result(row, worst):
    fusion, features = build(row).eval(), example()
    clean = fusion(features)
    dirty_features = spoil(features, worst)
    assert torch.equal(clean, fusion(dirty_features))
    fusion(dirty_features).sum().backward()
    assert all(p.grad.isfinite().all() for p in fusion.parameters() if p.grad is not None)


def test_a_modality_left_out_is_one_masked_everywhere(row):
    fusion, features = build(row).eval(), example()
    for keep in itertools.chain.from_iterable(itertools.combinations(NAMES, n) for n in (1, 2)):
        masked = {n: f if n in keep else Features(f.tokens, torch.zeros_like(f.mask)) for n, f in features.items()}
        torch.testing.assert_close(fusion({n: features[n] for n in keep}), fusion(masked))


def test_order_of_rows_and_of_keys(row):
    fusion, features = build(row).eval(), example()
    order = torch.randperm(8)
    fused = fusion(features)
    turned = fusion({n: Features(t[order], m[order]) for n, (t, m) in reversed(features.items())})
    torch.testing.assert_close(fused[order], turned)


def test_a_row_alone_is_the_row_in_the_batch(row):
    fusion, features = build(row).eval(), example()
    fused = fusion(features)
    for i in range(8):
        alone = fusion({n: Features(t[i : i + 1], m[i : i + 1]) for n, (t, m) in features.items()})
        torch.testing.assert_close(alone[0], fused[i], rtol=1e-4, atol=1e-5)


def test_every_modality_matters(row):
    fusion, features = build(row).eval(), example()
    for name in NAMES:
        other = {n: Features(t + (n == name) * torch.randn_like(t), m) for n, (t, m) in features.items()}
        assert not torch.allclose(fusion(features)[0], fusion(other)[0]), name


def test_every_parameter_gets_a_gradient(row):
    fusion = build(row).eval()
    (fusion(example()) * torch.randn(8, WIDTH)).sum().backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_pooling_score_learns_from_its_zero_start(row):
    torch.manual_seed(0)
    fusion = row.build().eval()
    fusion.connect(NAMES)
    (fusion(example()) * torch.randn(8, WIDTH)).sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in fusion.pools.parameters())


def test_batch_of_one_trains(row):
    fusion = build(row).train()
    fused = fusion({n: Features(t[:1], m[:1]) for n, (t, m) in example().items()})
    fused.sum().backward()
    assert fused.isfinite().all()


def test_bf16_and_mixed_types(row):
    fusion, features = build(row).train(), example()
    features["call"] = Features(features["call"].tokens.bfloat16(), features["call"].mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fused = fusion(features)
    fused.float().sum().backward()
    assert fused.isfinite().all()


def test_state_dict_round_trip(row):
    fusion, other = build(row).eval(), row.build().eval()
    other.connect(NAMES)
    other.load_state_dict(fusion.state_dict())
    assert torch.equal(fusion(example()), other(example()))


def test_inputs_are_not_modified(row):
    features = example()
    build(row)(features)
    for name, (tokens, mask) in example().items():
        assert torch.equal(features[name].tokens, tokens)
        assert torch.equal(features[name].mask, mask)


def test_connect(row):
    fusion = build(row)
    name = type(fusion).__name__
    assert fusion.modalities == tuple(NAMES)
    state = {key: value.clone() for key, value in fusion.state_dict().items()}
    fusion.connect(NAMES)  # the same again is nothing new
    assert all(torch.equal(value, state[key]) for key, value in fusion.state_dict().items())
    with pytest.raises(ConfigError, match=rf"{name} must be connected once; it has .*'call'\], got \['photo'\]"):
        fusion.connect(["photo"])
    for wrong in ([], ["a", "a"], "photo"):
        with pytest.raises(ConfigError, match=rf"{name}\.connect must be given one or more different names; got "):
            row.build().connect(wrong)
    with pytest.raises(ConfigError, match=rf"{name} must be connected before use; got no modalities"):
        row.build()(example())


def test_wrong_features(row):
    fusion, features = build(row), example()
    name = type(fusion).__name__
    with pytest.raises(ConfigError, match=rf"unknown modality 'phot' for {name}\. Did you mean 'photo'\? There"):
        fusion({"phot": features["photo"]})
    with pytest.raises(ConfigError, match=rf"{name} must be given at least one of its modalities; got none"):
        fusion({})
    tokens, mask = features["review"]
    with pytest.raises(ConfigError, match="same number of rows; 'photo' has 8, 'review' has 3"):
        fusion({"photo": features["photo"], "review": Features(tokens[:3], mask[:3])})


def test_wrong_sizes(row):
    cls = type(row.build())
    with pytest.raises(ConfigError, match=rf"{cls.__name__}\.width must be a whole number, 1 or more; got 0"):
        cls(width=0)
    with pytest.raises(ConfigError, match=rf"{cls.__name__}\.dropout must be from 0 up to, not including, 1; got 1.5"):
        cls(dropout=1.5)
