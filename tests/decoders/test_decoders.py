"""Decoders against closed forms: transposed convolutions as adjoints, errors by numpy."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sensorium import decoders
from sensorium.decoders.image import Upsampling
from sensorium.decoders.standard import Standard
from sensorium.encoders.mfcc import LogMelSpectrogram
from sensorium.errors import ConfigError

WIDTH = 12


def lengths(counts, most):
    return torch.arange(most) < torch.tensor(counts)[:, None]


# modality -> the decoder, values and mask of three rows
CASES = {
    "image": (lambda: decoders.ImageDecoder(WIDTH, (24, 40)), lambda: torch.rand(3, 3, 24, 40), torch.ones(3) > 0),
    "video": (lambda: decoders.VideoDecoder(WIDTH, (16, 16), 6), lambda: torch.rand(3, 6, 3, 16, 16), lengths([6, 6, 6], 6)),
    "audio": (lambda: decoders.AudioDecoder(WIDTH, 8000, 0.5), lambda: torch.randn(3, 4000) * 0.1, lengths([4000, 900, 3000], 4000)),
    "text": (lambda: decoders.TextDecoder(WIDTH, 20), lambda: torch.randint(2, 20, (3, 7)), lengths([7, 2, 5], 7)),
    "vector": (lambda: decoders.VectorDecoder(WIDTH, 5), lambda: torch.randn(3, 5), torch.ones(3) > 0),
    "motion": (lambda: decoders.MotionDecoder(WIDTH, 9), lambda: torch.randn(3, 30) * 0.01, torch.ones(3) > 0),
    "tabular": (
        lambda: decoders.TabularDecoder(WIDTH, 2, (3, 1)),
        lambda: torch.tensor([[0.3, -1.0, 2.0, 1.0], [0.1, 2.0, 0.0, 1.0], [1.0, 0.0, 3.0, 0.0]]),
        torch.tensor([[True, True, True, True], [False, True, False, True], [True, False, False, False]]),
    ),
}  # fmt: skip


def test_every_decoder_has_a_case():
    assert set(CASES) == set(decoders.DECODERS)
    for modality, (build, _, _) in CASES.items():
        assert type(build()) is decoders.DECODERS[modality]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_decoder_learns_what_rows_are_told_apart_by(case):
    torch.manual_seed(0)
    build, values, mask = case
    decoder, values, vector = build(), values(), torch.randn(3, WIDTH)
    optimiser = torch.optim.Adam(decoder.parameters(), lr=0.01)
    first = decoder.errors(decoder(vector), values, mask)
    assert first.shape == (3,)
    assert (first > 0).all()
    for _ in range(150):
        optimiser.zero_grad()
        decoder.errors(decoder(vector), values, mask).mean().backward()
        optimiser.step()
    assert all(p.grad.isfinite().all() and (p.grad != 0).any() for p in decoder.parameters())
    # A text's words share their probability: what is left is the entropy of the words that it has.
    least = torch.tensor([math.log(len(set(row[there].tolist()))) / math.log(20) for row, there in zip(values, mask, strict=True)]) if isinstance(decoder, decoders.TextDecoder) else 0.0  # fmt: skip
    last = decoder.eval().errors(decoder(vector), values, mask) - least
    assert last.mean() < 0.35 * (first - least).mean()
    # A row alone is the row among others.
    alone = decoder.errors(decoder(vector[1:2]), values[1:2], mask[1:2]) - (least[1:2] if torch.is_tensor(least) else 0)
    torch.testing.assert_close(alone, last[1:2], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [(16, 24), (40,)], ids=["2-d", "1-d"])
def test_a_transposed_convolution_is_the_adjoint_of_the_convolution(size):
    torch.manual_seed(0)
    convolve = {1: F.conv1d, 2: F.conv2d}[len(size)]
    up = Upsampling(WIDTH, 5, size).double()
    assert up(torch.randn(2, WIDTH).double()).shape == (2, 5, *size)
    sides = up.grid
    for layer in up.layers:
        y = torch.randn(2, layer.in_channels, *sides, dtype=torch.float64)
        sides = [2 * side for side in sides]
        x = torch.randn(2, layer.out_channels, *sides, dtype=torch.float64)
        turned = layer(y) - layer.bias.reshape(-1, *[1] * len(size))  # convT(y)
        down = convolve(x, layer.weight, stride=layer.stride, padding=layer.padding)  # conv(x)
        assert turned.shape == x.shape
        assert (down * y).sum().item() == pytest.approx((x * turned).sum().item(), rel=1e-10)
    assert tuple(sides) == size


def test_standard_gathers_the_moments_of_all_batches():
    random = np.random.default_rng(0)
    whole = random.normal(size=(30, 2)) * [3, 0.5] + [10, -2]
    standard = Standard(2).train()
    for part in np.split(whole, [4, 11, 12]):
        standard(torch.from_numpy(part).float())
    np.testing.assert_allclose(standard.mean, whole.mean(0), rtol=1e-5)
    np.testing.assert_allclose(standard.variance, whole.var(0), rtol=1e-4)
    before = standard.mean.clone()
    scaled = standard.eval()(torch.from_numpy(whole).float()).numpy()
    assert torch.equal(standard.mean, before)
    floor = 0.01 * whole.var(0).mean()
    np.testing.assert_allclose(scaled, (whole - whole.mean(0)) / np.sqrt(whole.var(0) + floor), rtol=1e-3, atol=1e-4)


def test_standard_learns_from_real_positions_alone():
    standard = Standard(1).train()
    standard(torch.tensor([[[1.0], [3.0], [900.0]]]), torch.tensor([[True, True, False]]))
    standard(torch.full((1, 1, 1), 7.0), torch.tensor([[False]]))
    assert standard.mean.item() == 2
    assert standard.variance.item() == 1


def test_image_errors_are_of_mean_pixels():
    decoder = decoders.ImageDecoder(WIDTH, (64, 64)).eval()
    assert decoder.size == (32, 32)
    assert decoders.ImageDecoder(WIDTH, (96, 64)).size == (32, 24)
    assert decoders.ImageDecoder(WIDTH, (8, 10)).size == (8, 8)
    pictures = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    small = pictures.double().numpy().reshape(2, 3, 32, 2, 32, 2).mean((3, 5)) / 255
    scale = math.sqrt(1 + 0.01)  # nothing was learned yet: mean 0, variance 1
    made = torch.rand(2, 3, 32, 32)
    expected = ((made.double().numpy() - small / scale) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(decoder.errors(made, pictures, torch.ones(2) > 0), expected, rtol=1e-4)
    as_floats = decoder.errors(made, pictures.float() / 255, torch.ones(2) > 0)
    np.testing.assert_allclose(as_floats, expected, rtol=1e-4)


def test_audio_errors_are_of_spans_that_hold_sound():
    decoder = decoders.AudioDecoder(WIDTH, 8000, 0.5).eval()
    mask = lengths([4000, 1000], 4000)
    sound = torch.randn(2, 4000) * 0.1
    decibels, real = LogMelSpectrogram(8000, n_mels=32)(sound, mask)  # itself tested against librosa
    made = torch.randn(2, 32, decoder.steps)
    expected = []
    for row in range(2):
        wrong = []
        for step in range(decoder.steps):
            part = slice(step * decoder.span, (step + 1) * decoder.span)
            if real[row, part].any():
                target = decibels[row, part][real[row, part]].mean(0) / math.sqrt(1.01)
                wrong.append(((made[row, :, step] - target) ** 2).mean().item())
        expected.append(np.mean(wrong))
    np.testing.assert_allclose(decoder.errors(made, sound, mask), expected, rtol=1e-4)
    longer = F.pad(sound, (0, 4000)), F.pad(mask, (0, 4000))  # padding and more of it
    np.testing.assert_allclose(decoder.errors(made, *longer), expected, rtol=1e-4)


def test_text_errors_are_of_the_different_words():
    decoder = decoders.TextDecoder(WIDTH, 6)
    made = torch.tensor([[0.0, 1.0, 2.0, 3.0, -1.0, 0.5]])
    p = made.softmax(1)[0]
    expected = -(p[3].log() + p[5].log()) / 2 / math.log(6)
    values = torch.tensor([[3, 3, 5, 1, 0, 4, 99]])  # twice, unknown, padding, masked, outside
    mask = torch.tensor([[True, True, True, True, True, False, True]])
    assert decoder.errors(made, values, mask).item() == pytest.approx(expected.item(), rel=1e-6)
    assert decoder.errors(made, values, mask & False).item() == 0


def test_words_of_a_large_vocabulary_share_entries(monkeypatch):
    monkeypatch.setattr("sensorium.decoders.text.MOST", 6)
    decoder = decoders.TextDecoder(WIDTH, 20)
    made = torch.tensor([[0.0, 1.0, 2.0, 3.0, -1.0, 0.5]])
    logs = made.log_softmax(1)[0]
    found = decoder.errors(made, torch.tensor([[9, 3, 17]]), torch.ones(1, 3) > 0)  # 9 and 3 are one
    assert found.item() == pytest.approx(-(logs[3] + logs[5]).item() / 2 / math.log(6), rel=1e-6)


def test_tabular_errors_are_over_filled_cells():
    decoder = decoders.TabularDecoder(WIDTH, 1, (2,))
    made = torch.tensor([[0.5, 1.0, 0.0, -1.0]] * 3)
    values = torch.tensor([[2.0, 1.0], [2.0, 1.0], [9.0, 7.0]])
    mask = torch.tensor([[True, True], [True, False], [False, True]])
    logs = made[0, 1:].log_softmax(0)
    unknown = -logs[0].item() / math.log(3)
    expected = [(2.25 - logs[1].item() / math.log(3)) / 2, 2.25, unknown]
    np.testing.assert_allclose(decoder.errors(made, values, mask), expected, rtol=1e-5)


def test_of_a_bag_the_first_real_item_is_rebuilt():
    decoder = decoders.FirstOfBag(decoders.VectorDecoder(WIDTH, 2))
    made, values = torch.zeros(2, 2), torch.tensor([[[9.0, 9.0], [1.0, 1.0]], [[2.0, 2.0], [9.0, 9.0]]])
    mask = torch.tensor([[False, True], [True, True]])
    assert decoder.errors(made, values, mask).tolist() == [1.0, 4.0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: decoders.ImageDecoder(0, (8, 8)), r"ImageDecoder.width must be a whole number, 1 or more; got 0"),
        (
            lambda: decoders.ImageDecoder(4, (8, 0)),
            r"ImageDecoder.size must be one or more whole numbers.*got \(8, 0\)",
        ),
        (lambda: decoders.TextDecoder(4, 2), r"TextDecoder.vocabulary must be a whole number, 3 or more; got 2"),
        (lambda: decoders.VectorDecoder(4, 0), r"VectorDecoder.size must be a whole number, 1 or more; got 0"),
        (lambda: decoders.TabularDecoder(4, -1), r"TabularDecoder.numeric must be a whole number, 0 or more; got -1"),
        (lambda: decoders.AudioDecoder(-1), r"AudioDecoder.width must be a whole number, 1 or more; got -1"),
    ],
)
def test_sizes_that_can_not_be_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
