"""What classical models see of one file: against librosa, NumPy and values written by hand."""

import librosa
import numpy as np
import pytest
import torch

from sensorium.baselines import descriptors
from sensorium.baselines.descriptors import FAR, Clips, Columns, Motion, Numbers, Pictures, Sounds
from sensorium.baselines.hog import colours, hog
from sensorium.data.media_readers import MotionReader
from sensorium.data.padding import pad


@pytest.fixture
def random():
    return np.random.default_rng(0)


def pixels(random, *shape):
    return torch.from_numpy(random.integers(0, 256, shape, dtype=np.uint8))


def whole(*shape):
    return torch.ones(*shape, dtype=torch.bool)


def test_pictures_have_directions_and_colours(random):
    given = pixels(random, 3, 3, 40, 40)
    found = Pictures()(given, whole(3))
    assert found.shape == (3, 2020)
    assert torch.equal(found, torch.cat([hog(given / 255), colours(given / 255)], 1))
    assert torch.equal(Pictures()(given / 255, whole(3)), found)  # floats are 0..1 already


def changes(clip):
    """Mean absolute change from frame to frame in thirds of the time, of a clip (T, 3, 16, 16) in 0..1."""
    small = clip.reshape(len(clip), 3, 8, 2, 8, 2).mean((3, 5)).reshape(len(clip), 192)
    change = np.abs(np.diff(small, axis=0))
    change = np.concatenate([change, np.zeros((1, 192))])  # the last frame has none after it
    ends = [(i * len(clip) // 3, -(-(i + 1) * len(clip) // 3)) for i in range(3)]
    return np.stack([change[start:end].mean(0) for start, end in ends], 1).ravel()


@pytest.mark.parametrize("frames", [1, 2, 6, 8])
def test_clips_have_a_mean_picture_and_changes(random, frames):
    given = pixels(random, 2, frames, 3, 16, 16)
    found = Clips()(given, whole(2, frames))
    mean = given.float().mean(1) / 255
    assert found.shape == (2, 2596)
    torch.testing.assert_close(found[:, :2020], torch.cat([hog(mean), colours(mean)], 1), atol=2e-3, rtol=0)
    for clip, part in zip(given.numpy() / 255, found, strict=True):
        np.testing.assert_allclose(part[2020:], changes(clip), atol=1e-5)


def test_frames_that_are_not_real_count_for_nothing(random):
    given, mask = pixels(random, 1, 6, 3, 16, 16), whole(1, 6)
    mask[0, 0] = mask[0, 4:] = False
    other = given.masked_fill(~mask[..., None, None, None], 0)
    torch.testing.assert_close(Clips()(given, mask), Clips()(other, mask))
    mean = given[:, 1:4].float().mean(1) / 255
    torch.testing.assert_close(Clips()(given, mask)[:, 1764:2020], colours(mean))


def test_what_moves_when_tells_clips_apart():
    clip = torch.zeros(1, 6, 3, 16, 16)
    clip[0, 1, :, :2, :2] = 1.0  # one cell, lit in the second frame: a change to it and one from it
    change = Clips()(clip, whole(1, 6))[0, 2020:].reshape(3, 8, 8, 3)
    expected = torch.zeros_like(change)
    expected[:, 0, 0, 0] = 1.0
    torch.testing.assert_close(change, expected)


@pytest.mark.parametrize("pictures", [0, 2])
def test_motion_has_an_extent_a_course_bytes_and_a_picture(random, pictures):
    options = {"steps": 6, "grid": 8, "pictures": pictures, "size": (16, 16)}
    reader = MotionReader("x", **options)
    rows = random.random((3, *reader.shape)).astype(np.float16)
    found = Motion(**options)(torch.from_numpy(rows), whole(3))
    assert found.shape == (3, 128 + 6 + (192 if pictures else 0))
    for row, part in zip(rows, found, strict=True):
        field, sizes, shown = reader.parts(row)
        small = np.arcsinh(200 * field[:, :2]).reshape(6, 2, 4, 2, 4, 2).mean((3, 5)).reshape(6, 32)
        thirds = small.reshape(3, 2, 32).mean(1).T
        expected = [np.abs(small).mean(0), thirds.ravel(), sizes]
        if pictures:
            expected.append(shown.reshape(2, 3, 8, 2, 8, 2).mean((0, 3, 5)).ravel())
        np.testing.assert_allclose(part, np.concatenate(expected), atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_sounds_are_statistics_of_librosas_mfcc(random, rate):
    lengths = (rate // 2, rate // 3, rate // 2, rate // 5)
    waves = [(random.normal(size=n) * np.geomspace(1, 0.01, n)).astype(np.float32) for n in lengths]

    def features(wave):
        hop, n_fft = rate // 100, 2 ** int(np.ceil(np.log2(0.025 * rate)))
        mfcc = librosa.feature.mfcc(y=wave, sr=rate, n_mfcc=20, n_fft=n_fft, hop_length=hop, n_mels=64)
        frames = mfcc.T[: len(range(0, len(wave), hop))]  # librosa's last frame is centred after the end
        change = np.diff(frames, axis=0)
        return np.concatenate([frames.mean(0), frames.std(0), change.mean(0), change.std(0)])

    values, mask = (torch.from_numpy(part) for part in pad(waves, np.float32))
    found = Sounds(rate)(values, mask)
    np.testing.assert_allclose(found, [features(wave) for wave in waves], atol=5e-3)
    for wave, part in zip(waves, found, strict=True):  # whatever stands beside it
        alone = Sounds(rate)(torch.from_numpy(wave)[None], whole(1, len(wave)))
        torch.testing.assert_close(alone[0], part, atol=1e-3, rtol=0)


def test_a_sound_of_one_frame_has_no_change():
    found = Sounds(8000)(torch.full((1, 40), 0.1), whole(1, 40))
    assert found.isfinite().all()
    assert found[0, :20].any()
    assert not found[0, 20:].any()


def test_columns_are_numbers_which_are_there_and_a_column_a_category():
    nan = float("nan")
    values = torch.tensor([[-1, 99, 1, 2], [0.5, nan, 2, 0], [nan, -99, nan, 1]])
    found = Columns(2, [2, 3])(values, ~values.isnan())
    assert found[:, :11].tolist() == [
        # numbers, of 10 deviations at most; there; of two categories: never seen, first, second; of three
        [-1, FAR, 1, 1, 0, 1, 0, 0, 0, 1, 0],
        [0.5, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0],
        [0, -FAR, 0, 1, 1, 0, 0, 0, 1, 0, 0],
    ]
    # Of the 3 x 4 pairs of both, the one that a row has.
    assert found[:, 11:].tolist() == np.eye(12)[[1 * 4 + 2, 2 * 4 + 0, 0 * 4 + 1]].tolist()


def test_pairs_of_categories_are_few_the_smallest_first(monkeypatch):
    monkeypatch.setattr(descriptors, "CROSSES", 50)
    columns = Columns(0, [9, 2, 3])  # with none: 10, 3, 4; pairs of 30, 40 and 12
    assert columns.pairs == [(1, 2), (0, 1)]
    codes = torch.tensor([[9.0, 0, 3]])
    assert columns(codes, whole(1, 3)).nonzero()[:, 1].tolist() == [9, 10, 16, 17 + 3, 29 + 9 * 3]


def test_columns_of_one_kind():
    assert Columns(0, [1])(torch.tensor([[1.0], [0.0]]), whole(2, 1)).tolist() == [[0, 1], [1, 0]]
    assert Columns(1, [])(torch.tensor([[2.0]]), whole(1, 1)).tolist() == [[2, 1]]


def test_vectors_are_their_numbers_but_for_odd_ones():
    assert Numbers()(torch.tensor([[1.5, 1e6, -1e6]]), whole(1)).tolist() == [[1.5, FAR, -FAR]]
