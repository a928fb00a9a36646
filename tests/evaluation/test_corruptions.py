"""Damage measured: decibels, shares, and the libraries' own blur and JPEG."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from sensorium.data.media_readers import AudioReader, ImageReader, MotionReader, VideoReader
from sensorium.data.tabular import TabularReader, VectorReader
from sensorium.data.text import TextReader
from sensorium.evaluation import corruptions
from sensorium.evaluation.corruptions import corruptions_of

READERS = {
    "image": ImageReader("x", size=(24, 32)),
    "audio": AudioReader("x", sample_rate=8000, seconds=1),
    "video": VideoReader("x", frames=9, size=(8, 8)),
    "motion": MotionReader("x", steps=8, grid=2, pictures=1, size=(4, 4)),
    "text": TextReader("x"),
    "vector": VectorReader("x"),
    "tabular": TabularReader({"x": "numeric"}),
}
EVERY = [(modality, kind) for modality, reader in READERS.items() for kind in corruptions_of(reader)]


def rng(row=0):
    return np.random.default_rng([0, row])


def item_of(modality):
    random = np.random.default_rng(1)
    return {
        "image": ndimage.gaussian_filter(random.integers(0, 255, (3, 24, 32)).astype(float), (0, 0.8, 0.8)).astype(
            np.uint8
        ),
        "audio": random.normal(size=4000).astype(np.float32),
        "video": np.arange(9, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 8, 8), dtype=np.uint8),
        "motion": np.arange(1, 8 * 12 + 8 + 48 + 1).astype(np.float16),
        "text": "the quick brown fox jumps over the lazy dog and does so again and again until it is tired of it all",
        "vector": random.normal(size=200).astype(np.float32),
        "tabular": np.array([1.0, np.nan], dtype=np.float32),
    }[modality]


def others_of(modality):
    random = np.random.default_rng(2)
    if modality == "audio":
        return [np.sin(np.arange(size) / (i + 3)).astype(np.float32) for i, size in enumerate((300, 4000, 9000, 50))]
    return [random.normal(size=2).astype(np.float32) for _ in range(9)]


def distance(before, after):
    if isinstance(before, str):
        return edits(before, after)
    before, after = (np.nan_to_num(np.asarray(values, dtype=np.float64), nan=-9.0) for values in (before, after))
    return float(np.abs(before - after).mean())


def edits(a, b):
    """Levenshtein's distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def test_every_modality_has_damage():
    assert len(EVERY) == 12
    assert corruptions_of(type("Other", (), {"modality": "smell"})()) == {}


@pytest.mark.parametrize(("modality", "kind"), EVERY)
def test_damage_grows_is_repeatable_and_leaves_what_was_read(modality, kind):
    corruption, item = corruptions_of(READERS[modality])[kind], item_of(modality)
    kept = item if isinstance(item, str) else item.copy()
    others = others_of(modality)
    rows = range(40)
    means = []
    for amount in corruption.amounts:
        found = [corruption.apply(item, amount, rng(row), others) for row in rows]
        again = corruption.apply(item, amount, rng(3), others)
        assert distance(found[3], again) == 0
        if not isinstance(item, str):
            assert found[0].dtype == item.dtype
            assert found[0].shape == item.shape
        means.append(np.mean([distance(item, one) for one in found]))
    assert np.all(np.diff([0.0, *means]) > 0)
    assert distance(kept, item) == 0


def test_blur_is_scipys_gaussian():
    picture = item_of("image")
    found = corruptions.blur(picture, 2 / 24, rng(), [])  # a deviation of 2 pixels
    expected = ndimage.gaussian_filter(picture.astype(float), (0, 2, 2), mode="nearest")
    assert np.abs(found - expected).mean() < 1  # Pillow's is three boxes, rounded
    assert np.abs(found - expected).mean() < 0.25 * np.abs(picture - expected).mean()


def test_jpeg_is_pillows_at_that_quality():
    picture = item_of("image")
    file = io.BytesIO()
    Image.fromarray(picture.transpose(1, 2, 0)).save(file, "JPEG", quality=25)
    expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
    np.testing.assert_array_equal(corruptions.jpeg(picture, 25, rng(), []), expected)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_what_is_occluded_is_a_grey_rectangle_of_that_share(share):
    picture = np.full((3, 60, 100), 9, dtype=np.uint8)
    corners = set()
    for row in range(20):
        grey = (corruptions.occlude(picture, share, rng(row), []) == 127).all(0)
        assert grey.mean() == pytest.approx(share, abs=0.02)
        y, x = np.where(grey)
        assert grey.sum() == (np.ptp(y) + 1) * (np.ptp(x) + 1)
        corners.add((y[0], x[0]))
    assert len(corners) > 10
    assert (corruptions.occlude(picture, 1.0, rng(), []) == 127).all()


def test_noises_deviation_is_the_one_asked_for():
    grey = np.full((3, 100, 100), 128, dtype=np.uint8)
    assert corruptions.noise(grey, 16, rng(), []).astype(float).std() == pytest.approx(16, rel=0.02)
    values = np.zeros(20_000, dtype=np.float32)
    assert corruptions.add_noise(values, 0.5, rng(), []).std() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("kind", ["white noise", "babble"])
@pytest.mark.parametrize("ratio", [20, 5, 0, -10])
def test_the_signal_to_noise_ratio_is_the_one_asked_for(kind, ratio):
    wave = 0.1 * np.sin(np.arange(8000) / 5).astype(np.float32)
    found = corruptions_of(READERS["audio"])[kind].apply(wave, ratio, rng(), others_of("audio"))
    added = found.astype(float) - wave
    assert 10 * np.log10((wave.astype(float) ** 2).mean() / (added**2).mean()) == pytest.approx(ratio, abs=0.01)


def test_babble_is_other_recordings_and_nothing_where_there_are_none():
    wave, other = np.ones(100, dtype=np.float32), np.sin(np.arange(40)).astype(np.float32)
    added = corruptions.babble(wave, 10, rng(), [other]) - wave
    np.testing.assert_allclose(added / added[1], np.resize(other, 100) / other[1], atol=1e-4)
    for others in ([], [np.zeros(40, dtype=np.float32)]):
        np.testing.assert_array_equal(corruptions.babble(wave, 10, rng(), others), wave)
    silence = np.zeros(100, dtype=np.float32)
    np.testing.assert_array_equal(corruptions.hiss(silence, 0, rng(), []), silence)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
def test_the_share_of_mistyped_characters(share):
    text = item_of("text") * 3
    letters = sum(not character.isspace() for character in text)
    rates = [edits(text, corruptions.mistype(text, share, rng(row), [])) / letters for row in range(5)]
    assert max(rates) <= share + 0.5 / letters  # neighbours can make up for one another, so it may be a little less
    assert np.mean(rates) == pytest.approx(share, rel=0.1)
    assert corruptions.mistype(text, 0, rng(), []) == text


def test_words_are_dropped_in_order_and_one_stays():
    words = [f"w{i}" for i in range(40)]
    found = corruptions.drop_words(" ".join(words), 0.25, rng(), []).split()
    assert len(found) == 30
    assert found == [word for word in words if word in set(found)]
    assert corruptions.drop_words("one two", 1.0, rng(), []) in {"one", "two"}
    assert len(corruptions.drop_words("今天天气很好", 0.5, rng(), [])) == 3  # no spaces: characters
    assert corruptions.mistype("今", 1.0, rng(1), []) in {"今", "", "今今"}


def test_frozen_frames_repeat_the_last_one():
    clip = item_of("video")
    found = corruptions.freeze(clip, 0.5, rng(), [])[:, 0, 0, 0]
    stays = found == np.arange(9)
    assert stays.sum() == 5  # 4 of 8 are lost, the first stays
    assert stays[0]
    assert found.tolist() == np.maximum.accumulate(np.where(stays, np.arange(9), 0)).tolist()
    assert (corruptions.freeze(clip, 1.0, rng(), []) == 0).all()


def test_lost_steps_have_neither_motion_nor_bytes_and_pictures_stay():
    reader, row = READERS["motion"], item_of("motion")
    found = corruptions_of(reader)["lost steps"].apply(row, 0.25, rng(), [])
    field, sizes, pictures = reader.parts(found)
    lost = (field == 0).reshape(8, -1).all(1)
    assert lost.sum() == 2
    assert (lost == (sizes == 0)).all()
    np.testing.assert_array_equal(field[~lost], reader.parts(row)[0][~lost])
    np.testing.assert_array_equal(pictures, reader.parts(row)[2])


def test_permuted_values_are_anothers_that_often():
    others = [np.array([float(i)]) for i in range(1, 6)]
    found = np.array([corruptions.permute(np.zeros(1), 0.25, rng(row), others)[0] for row in range(2000)])
    assert (found > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert np.bincount(found.astype(int))[1:].min() > 70  # each other is as likely
    assert corruptions.permute(np.zeros(1), 1.0, rng(), []) == [0.0]
