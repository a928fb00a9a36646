"""What is hidden: about the share that was asked for, and never all of a row."""

import pytest
import torch

from sensorium.encoders.features import Features, Input
from sensorium.pretraining.hiding import hide_inputs, hide_parts

ROWS = 400


def hidden(modality, values, mask, share=0.3):
    torch.manual_seed(0)
    return hide_parts({"x": Input(values, mask)}, {"x": modality}, share)["x"]


@pytest.mark.parametrize("kind", ["float", "bytes"])
def test_patches_of_pictures_turn_grey(kind):
    values = torch.ones(ROWS, 3, 9, 16) if kind == "float" else torch.full((ROWS, 3, 9, 16), 255, dtype=torch.uint8)
    found = hidden("image", values, torch.ones(ROWS) > 0)
    assert found.values.dtype == values.dtype
    grey = found.values != values
    assert set(found.values.unique().tolist()) == ({0.5, 1.0} if kind == "float" else {127, 255})
    assert grey.float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert torch.equal(grey[..., 0], grey[..., 3])  # one patch


def test_patches_are_the_same_in_all_frames_of_a_clip():
    values = torch.ones(ROWS, 5, 3, 8, 8)
    grey = hidden("video", values, torch.ones(ROWS, 5) > 0).values != values
    assert torch.equal(grey[:, :1].expand_as(grey), grey)
    assert 0.25 < grey.float().mean() < 0.35


def test_a_span_of_a_sound_is_silent():
    length = torch.randint(50, 200, (ROWS, 1))
    mask = torch.arange(200) < length
    found = hidden("audio", torch.ones(ROWS, 200), mask)
    silent = (found.values == 0) & mask
    torch.testing.assert_close(silent.sum(1) / length[:, 0], torch.full((ROWS,), 0.3), atol=0.02, rtol=0)
    assert ((silent[:, 1:].int() - silent[:, :-1].int()) == 1).sum(1).max() <= 1  # in one piece


def test_words_turn_unknown_and_cells_empty_but_never_all_of_a_row():
    mask = torch.rand(ROWS, 6) < 0.5
    words = hidden("text", torch.full((ROWS, 6), 7), mask)
    assert ((words.values == 1) & mask).sum() / mask.sum() == pytest.approx(0.3, abs=0.04)
    assert (words.values[~mask] == 7).all()
    cells = hidden("tabular", torch.ones(ROWS, 6), mask, share=0.9)
    assert not (cells.mask & ~mask).any()
    assert torch.equal(cells.mask.any(1), mask.any(1))
    assert torch.equal(cells.mask.sum(1) >= 1, mask.any(1))
    numbers = hidden("vector", torch.ones(ROWS, 6), torch.ones(ROWS) > 0)
    assert (numbers.values == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)


def test_nothing_is_hidden_of_a_share_of_0_or_of_motion():
    values, mask = torch.randn(4, 6), torch.ones(4) > 0
    assert torch.equal(hidden("vector", values, mask, share=0).values, values)
    assert torch.equal(hidden("motion", values, mask).values, values)


def test_whole_inputs_are_absent_but_never_the_last_one():
    torch.manual_seed(0)
    there = torch.rand(ROWS, 2) < 0.7
    features = {
        name: Features(torch.ones(ROWS, 3, 4), there[:, i : i + 1].expand(-1, 3)) for i, name in enumerate("ab")
    }
    left = torch.stack([given.mask.any(1) for given in hide_inputs(features, 0.5).values()], 1)
    assert not (left & ~there).any()
    assert torch.equal(left.any(1), there.any(1))
    # Of two, both are drawn away in a quarter of the rows, and one of them then comes back.
    assert left[there.all(1)].float().mean().item() == pytest.approx(0.5 + 0.25 / 2, abs=0.05)


@pytest.mark.parametrize(
    ("modality", "shape", "dims"), [("image", (4, 3, 3, 8, 8), 2), ("video", (4, 3, 2, 3, 8, 8), 3), ("audio", (4, 3, 90), 3)]
)  # fmt: skip
def test_bags_are_hidden_from_too(modality, shape, dims):
    found = hidden(modality, torch.ones(shape), torch.ones(shape[:dims]) > 0)
    assert found.values.shape == shape
    assert 0 < (found.values != 1).float().mean() < 0.6
