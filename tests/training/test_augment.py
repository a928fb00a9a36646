"""What is done to training rows: how far, how often, and what stays as it is."""

import math

import pytest
import torch

from sensorium.encoders.features import Input
from sensorium.training.augment import augment, drop_modalities, shift


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def varied(values, modality, mask=None):
    mask = torch.ones(len(values), dtype=torch.bool) if mask is None else mask
    return augment({"x": Input(values, mask)}, {"x": modality})["x"].values


def test_a_picture_moves_as_a_whole_and_its_edge_fills_what_comes_in():
    y, x = torch.meshgrid(torch.arange(20), torch.arange(30), indexing="ij")
    pictures = torch.stack([y, x, 100 * y + x]).expand(3000, 3, 20, 30)
    moved = shift(pictures, share=0.1)
    down, right = moved[:, 0, 10, 0] - 10, moved[:, 1, 0, 15] - 15  # by how much
    assert sorted(set(down.tolist())) == [-2, -1, 0, 1, 2]
    assert sorted(set(right.tolist())) == [-3, -2, -1, 0, 1, 2, 3]
    rows = (y + down[:, None, None]).clamp(0, 19)
    columns = (x + right[:, None, None]).clamp(0, 29)
    assert torch.equal(moved, torch.stack([rows, columns, 100 * rows + columns], 1))
    # Uniform before it is rounded: the outermost step is half as frequent.
    assert (right.abs() == 3).float().mean().item() == pytest.approx(1 / 6, abs=0.02)
    assert (down.abs() <= 1).float().mean().item() == pytest.approx(3 / 4, abs=0.03)
    together = torch.stack([down, right]).float()
    assert torch.corrcoef(together)[0, 1].item() == pytest.approx(0, abs=0.05)


def test_a_clips_frames_move_together():
    clip = torch.rand(50, 1, 3, 16, 16).expand(50, 4, 3, 16, 16)
    found = varied(clip, "video", torch.ones(50, 4, dtype=torch.bool))
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert not torch.equal(found[:, 0], clip[:, 0])


def test_light_and_contrast_vary_from_row_to_row():
    pixels = torch.tensor([0.4, 0.6]).expand(20_000, 3, 1, 2)  # too small to be moved
    found = varied(pixels, "image")[:, 0, 0]
    light = found.mean(1) - 0.5
    assert (light.mean().item(), light.std().item()) == pytest.approx((0, 0.08), abs=0.002)
    contrast = ((found[:, 1] - found[:, 0]) / 0.2).log()
    assert (contrast.mean().item(), contrast.std().item()) == pytest.approx((0, 0.15), abs=0.005)


def test_bytes_become_shares_of_255():
    torch.manual_seed(1)
    values = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8)
    found = varied(values, "image")
    torch.manual_seed(1)
    torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8)
    assert torch.allclose(found, varied(values.float() / 255, "image"), atol=1e-6)


def test_a_recordings_loudness_varies_by_one_factor():
    waves = torch.rand(20_000, 3) + 1
    factor = varied(waves, "audio") / waves
    assert torch.allclose(factor, factor[:, :1].expand_as(factor))
    assert (factor[:, 0].log().mean().item(), factor[:, 0].log().std().item()) == pytest.approx((0, 0.5), abs=0.02)


def test_a_tenth_of_a_texts_words_is_forgotten_and_no_padding():
    ids = torch.randint(2, 99, (500, 40))
    mask = torch.arange(40) < torch.randint(0, 41, (500, 1))
    found = varied(ids, "text", mask)
    changed = found != ids
    assert not (changed & ~mask).any()
    assert (found[changed] == 1).all()  # the id of what is unknown
    assert changed[mask].float().mean().item() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("modality", ["vector", "tabular", "numeric", "categorical", "boolean", "date"])
def test_values_stay_as_they_are(modality):
    values = torch.rand(9, 4)
    assert torch.equal(varied(values, modality), values)


def test_what_was_given_is_not_changed():
    for modality, values in {
        "image": torch.rand(5, 3, 8, 8), "audio": torch.rand(5, 9), "text": torch.randint(2, 9, (5, 40)),
    }.items():  # fmt: skip
        before = values.clone()
        varied(values, modality, torch.ones(values.shape[:2], dtype=torch.bool))
        assert torch.equal(values, before)


@pytest.mark.parametrize(("names", "probability"), [("ab", 0.0), ("a", 0.9)])
def test_nothing_is_hidden_at_no_probability_or_of_one_input(names, probability):
    inputs = {name: Input(torch.rand(9, 2), torch.ones(9, dtype=torch.bool)) for name in names}
    assert drop_modalities(inputs, probability) is inputs


def test_an_input_is_hidden_whole_with_its_values_untouched():
    mask = torch.arange(6) < torch.tensor([6, 3, 0])[torch.arange(3000) % 3][:, None]
    inputs = {
        "a": Input(torch.rand(3000, 6), mask),
        "b": Input(torch.rand(3000, 2), torch.ones(3000, dtype=torch.bool)),
    }
    found = drop_modalities(inputs, 0.4)
    hidden = ~found["a"].mask.any(1) & mask.any(1)
    assert torch.equal(found["a"].mask[~hidden], mask[~hidden])
    assert all(found[name].values is inputs[name].values for name in "ab")
    assert found["b"].mask[mask.sum(1) == 0].all()  # the only one that the row has
    # Hidden by its own draw (0.4), but for half of the rows in which both are drawn (0.16).
    there = mask.any(1)
    assert hidden[there].float().mean().item() == pytest.approx(0.4 - 0.16 / 2, abs=3 * math.sqrt(0.25 / 2000))
