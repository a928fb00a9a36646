"""The contrast between inputs, against float64 numpy."""

import numpy as np
import pytest
import torch

from sensorium.encoders.features import Features
from sensorium.errors import ConfigError
from sensorium.heads.alignment import Alignment, contrast


def unit(rows, size, seed):
    found = np.random.default_rng(seed).normal(size=(rows, size))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def info_nce(a, b, scale, left_out=()):
    """The mean over rows and both ways of -log of the own pair's share; `left_out`: pairs that are no negatives."""
    loss = 0.0
    for x, y in ((a, b), (b, a)):
        for i in range(len(x)):
            others = [j for j in range(len(y)) if (i, j) not in left_out and (j, i) not in left_out]
            scores = {j: np.exp(scale * (x[i] @ y[j])) for j in others}
            loss -= np.log(scores[i] / sum(scores.values())) / (2 * len(x))
    return loss


def test_contrast_is_the_symmetric_info_nce():
    a, b = unit(7, 5, 0), unit(7, 5, 1)
    found = contrast(torch.from_numpy(a), torch.from_numpy(b), 3.0)
    assert found.item() == pytest.approx(info_nce(a, b, 3.0), rel=1e-12)


def test_bf16_around_it_changes_nothing():
    a, b = (torch.from_numpy(unit(6, 5, seed)).float() for seed in (0, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = contrast(a, b, torch.tensor(50.0))
    assert torch.equal(found, contrast(a, b, torch.tensor(50.0)))


def test_rows_of_the_same_content_are_no_negatives():
    a, b = unit(5, 4, 2), unit(5, 4, 3)
    same = torch.eye(5, dtype=torch.bool)
    same[1, 3] = same[3, 1] = True
    found = contrast(torch.from_numpy(a), torch.from_numpy(b), 2.0, same)
    assert found.item() == pytest.approx(info_nce(a, b, 2.0, {(1, 3)}), rel=1e-12)
    assert found < contrast(torch.from_numpy(a), torch.from_numpy(b), 2.0)


def features(rows, tokens, missing=()):
    mask = torch.ones(rows, tokens, dtype=torch.bool)
    mask[list(missing)] = False
    return Features(torch.randn(rows, tokens, 8), mask)


def test_vectors_are_of_unit_length_and_zero_where_the_modality_is_missing():
    torch.manual_seed(0)
    aligner = Alignment(["photo", "text"], width=8, size=3)
    given = {"photo": features(4, 2, missing=[1]), "text": features(4, 5)}
    vectors = aligner(given)
    torch.testing.assert_close(vectors["photo"].norm(dim=1), torch.tensor([1.0, 0.0, 1.0, 1.0]))
    torch.testing.assert_close(vectors["text"].norm(dim=1), torch.ones(4))
    spoiled = {**given, "photo": Features(given["photo"].tokens.clone(), given["photo"].mask)}
    spoiled["photo"].tokens[1] = torch.nan
    torch.testing.assert_close(aligner(spoiled), vectors)


def test_the_loss_is_over_all_pairs_and_over_rows_that_have_both():
    torch.manual_seed(0)
    aligner = Alignment(["a", "b", "c"], width=8, size=6, temperature=0.5)
    vectors = aligner({"a": features(6, 1, missing=[0]), "b": features(6, 1, missing=[5]), "c": features(6, 2)})
    v = {name: vector.double().detach().numpy() for name, vector in vectors.items()}
    rows = {"ab": [1, 2, 3, 4], "ac": [1, 2, 3, 4, 5], "bc": [0, 1, 2, 3, 4]}
    expected = np.mean([info_nce(v[pair[0]][kept], v[pair[1]][kept], 2.0) for pair, kept in rows.items()])
    assert aligner.loss(vectors).item() == pytest.approx(expected, rel=1e-5)
    aligner.loss(vectors).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in aligner.parameters())
    assert aligner.sharpness.grad.abs() > 0


def test_no_pair_gives_no_loss():
    aligner = Alignment(["a", "b"], width=8, size=2)
    assert aligner.loss(aligner({"a": features(3, 1)})) is None
    apart = {"a": features(2, 1, missing=[0]), "b": features(2, 1, missing=[1])}
    assert aligner.loss(aligner(apart)) is None


def test_the_temperature_has_an_end():
    aligner = Alignment(["a", "b"], width=8, size=4)
    vectors = {name: torch.from_numpy(unit(5, 4, seed)).float() for seed, name in enumerate("ab")}
    with torch.no_grad():
        aligner.sharpness.fill_(50.0)
    assert aligner.loss(vectors).item() == pytest.approx(
        info_nce(vectors["a"].double().numpy(), vectors["b"].double().numpy(), 100.0), rel=1e-4
    )


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"Alignment.size must be a whole number, 1 or more; got 0"):
        Alignment(["a", "b"], width=8, size=0)
    with pytest.raises(ConfigError, match=r"Alignment.temperature must be above 0; got 0"):
        Alignment(["a", "b"], width=8, temperature=0)
    with pytest.raises(ConfigError, match=r"unknown modality 'phto'. Did you mean 'photo'\?"):
        Alignment(["photo"], width=8)({"phto": features(2, 1)})
