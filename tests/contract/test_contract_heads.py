"""What holds for every head."""

import pytest
import torch
from descriptors import HEAD_ROWS, ROWS, WIDTH

from sensorium.errors import ConfigError

pytestmark = pytest.mark.parametrize("row", HEAD_ROWS, ids=str)


def build(row):
    torch.manual_seed(0)
    return row.build()


def worst(target: torch.Tensor) -> float:
    return float("nan") if target.is_floating_point() else -100


def test_shapes_and_loss(row):
    head, target = build(row), row.target()
    logits = head(torch.randn(ROWS, WIDTH))
    assert head.width == WIDTH
    assert logits.shape[0] == ROWS
    loss = head.loss(logits, target)
    assert loss.shape == ()
    assert loss > 0


def test_every_parameter_gets_a_gradient(row):
    head = build(row)
    head.loss(head(torch.randn(ROWS, WIDTH)), row.target()).backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_rows_under_a_false_mask_count_for_nothing(row):
    head, target = build(row), row.target()
    logits = head(torch.randn(ROWS, WIDTH))
    mask = torch.tensor([True, False, True, False])
    spoiled = target.clone()
    spoiled[~mask] = worst(target)
    expected = head.loss(logits[mask], target[mask])
    torch.testing.assert_close(head.loss(logits, spoiled, mask), expected)
    torch.testing.assert_close(head.loss(logits, target, torch.ones(ROWS, dtype=torch.bool)), head.loss(logits, target))


def test_no_target_is_zero_with_a_gradient(row):
    head, target = build(row), row.target()
    spoiled = torch.full_like(target, worst(target))
    loss = head.loss(head(torch.randn(ROWS, WIDTH)), spoiled, torch.zeros(ROWS, dtype=torch.bool))
    loss.backward()
    assert loss == 0
    assert all((p.grad == 0).all() for p in head.parameters())


def test_probabilities_or_predictions(row):
    head = build(row).eval()
    logits = head(torch.randn(ROWS, WIDTH))
    if row.name == "regression":
        assert head.predict(logits) is logits
        return
    if row.name == "generation":
        asked = row.target()[:, 0]
        found = head.generate(logits, asked)
        assert found.shape == (ROWS, head.max_tokens)
        for place in range(ROWS):  # a row alone is that row among others
            alone = head.generate(logits[[place]], asked[[place]])
            assert alone.tolist() == found[[place]].tolist()
        return
    probabilities = head.probabilities(logits)
    assert probabilities.shape[0] == ROWS
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    if row.name != "multilabel":
        torch.testing.assert_close(probabilities.sum(1), torch.ones(ROWS))


def test_bf16(row):
    head = build(row)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = head.loss(head(torch.randn(ROWS, WIDTH)), row.target())
    loss.backward()
    assert loss.isfinite()


def test_wrong_targets(row):
    head, target = build(row), row.target()
    logits = head(torch.randn(ROWS, WIDTH))
    name = type(head).__name__
    with pytest.raises(ConfigError, match=rf"{name}'s target must have the shape \(4,.*; got \(3,"):
        head.loss(logits, target[:3])
    with pytest.raises(ConfigError, match=rf"{name}'s mask must be bool of shape \(4,\); got float32 of shape \(4,\)"):
        head.loss(logits, target, torch.ones(ROWS))


def test_wrong_sizes(row):
    cls = type(row.build())
    language = {"language": row.build().body} if row.name == "generation" else {}
    needed = {"classification": {"classes": 3}, "generation": language, "multilabel": {"labels": 2}}.get(row.name, {})
    with pytest.raises(ConfigError, match=rf"{cls.__name__}\.width must be a whole number, 1 or more; got -1"):
        cls(**needed, width=-1)
    with pytest.raises(ConfigError, match=rf"{cls.__name__}\.dropout must be .* 1; got 1"):
        cls(**needed, dropout=1)
