import io
import json

import numpy as np
import pytest
import soundfile
import soxr
from PIL import Image

from sensorium.data.media_readers import AudioReader, ImageReader, VideoReader
from sensorium.media import Limits

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
WAVE = RANDOM.uniform(-0.5, 0.5, size=4000)
FRAMES = (
    np.repeat(np.arange(8, dtype=np.uint8)[:, None, None, None] * 20, 8, axis=1).repeat(8, axis=2).repeat(3, axis=3)
)


def png(pixels=PIXELS):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def wav(wave=WAVE, rate=8000):
    stream = io.BytesIO()
    soundfile.write(stream, wave, rate, format="WAV", subtype="FLOAT")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "图.png").write_bytes(png(255 - PIXELS))
    (tmp_path / "a.wav").write_bytes(wav())
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.wav").write_text("no sound")
    return tmp_path


def images(bag=1, **options):
    return ImageReader("photo", bag, size=(6, 8), **options)


def sounds(bag=1, seconds=None, rate=8000, **options):
    return AudioReader("call", bag, sample_rate=rate, seconds=seconds, **options)


def clips(bag=1, frames=4, **options):
    return VideoReader("clip", bag, frames=frames, size=(8, 8), **options)


@pytest.mark.parametrize(
    "cell",
    ["a.png", png(), PIXELS, PIXELS.transpose(2, 0, 1), PIXELS / 255, Image.fromarray(PIXELS), {"bytes": png(), "path": "x"}],
    ids=["path", "bytes", "array", "channels first", "floats", "PIL", "Hugging Face"],
)  # fmt: skip
def test_a_picture_in_every_form_is_the_same_pixels(cell, folder, read):
    values, mask, notes = read(images(), [cell], folder)
    np.testing.assert_array_equal(values, PIXELS.transpose(2, 0, 1)[None])
    assert (values.dtype, mask.tolist(), notes) == (np.uint8, [True], [])


@pytest.mark.parametrize(
    "cell",
    ["a.wav", wav(), (WAVE, 8000), (np.stack([WAVE, WAVE], 1), 8000), (np.stack([WAVE * 1.5, WAVE / 2]), 8000.0), wav(np.stack([WAVE, WAVE], 1))],
    ids=["path", "bytes", "wave", "stereo", "channels first", "stereo file"],
)  # fmt: skip
def test_a_recording_in_every_form_is_the_same_samples(cell, folder, read):
    values, mask, notes = read(sounds(), [cell], folder)
    np.testing.assert_allclose(values[0], WAVE, atol=1e-6)
    assert (values.dtype, values.shape, mask.all(), notes) == (np.float32, (1, 4000), True, [])


def test_a_wave_of_another_rate_is_resampled_as_soxr_does(read):
    values, _, _ = read(sounds(rate=16000), [(WAVE, 8000)])
    np.testing.assert_allclose(values[0], soxr.resample(WAVE.astype(np.float32), 8000, 16000), atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_frames_are_the_middles_of_equal_spans(count, read):
    values, mask, notes = read(clips(frames=count), [FRAMES])
    middles = [int((i + 0.5) * 8 / count) for i in range(count)]
    np.testing.assert_array_equal(values[0], FRAMES[middles].transpose(0, 3, 1, 2))
    assert (mask.tolist(), notes) == ([[True] * count], [])


def test_a_clip_file_gives_frames_and_sound(table, read):
    values, mask, notes = read(clips(frames=3), ["v0.mp4", "v1.mp4", None], table.parent)
    assert values.shape == (3, 3, 3, 8, 8)
    assert mask.tolist() == [[True] * 3, [True] * 3, [False] * 3]
    # A clip is one grey level throughout: light in even rows, dark in odd ones; coding shifts it by a few steps.
    assert np.ptp(values[0].astype(int)) < 10
    assert values[0].mean() > 130 > 120 > values[1].mean()
    assert notes == []
    waves, _, notes = read(sounds(), ["v3.mp4"], table.parent)
    spectrum = np.abs(np.fft.rfft(waves[0, :6400]))
    assert spectrum.argmax() * 8000 / 6400 == pytest.approx(330, abs=3)  # its tone in Hz
    assert notes == []


@pytest.mark.parametrize(
    ("reader", "cell", "reason"),
    [
        (images(), "gone.png", "cannot read gone.png as image: no such file"),
        (images(), "empty.png", "cannot read empty.png as image: the file is empty"),
        (images(), "a.wav", "cannot read a.wav as image: it is not an image (looks like audio)"),
        (images(), "http://x.org/a.png", "cannot read http://x.org/a.png as image: it is a URL; only local files are read"),
        (images(), png()[:-30], "cannot read bytes in memory as image: the file ends early"),
        (images(), 17, "cannot read int in memory as image: it must be a path, bytes or an array; got 17"),
        (images(), np.zeros((4, 4, 7)), "cannot read ndarray in memory as image: a picture must be (H, W), (H, W, 3 or 4) or (3, H, W); got (4, 4, 7)"),
        (images(limits=Limits(max_pixels=47)), "a.png", "cannot read a.png as image: 8x6 pixels are over the limit of 47"),
        (images(limits=Limits(max_bytes=10)), "empty.png", "cannot read empty.png as image: the file is empty"),
        (sounds(), "a.png", "cannot read a.png as audio: it is not an audio file (looks like image)"),
        (sounds(), "text.wav", "cannot read text.wav as audio: it is not a media file (looks like text)"),
        (sounds(), wav()[:-400], "cannot read bytes in memory as audio: the file ends early"),
        (sounds(), (np.array([0.0, np.nan]), 8000), "cannot read tuple in memory as audio: it holds samples that are not finite"),
        (sounds(limits=Limits(max_seconds=2)), (np.zeros(24000), 8000), "cannot read tuple in memory as audio: 3 s are over the limit of 2 s"),
        (clips(), "a.png", "cannot read a.png as video: it is not a video (looks like image)"),
        (clips(), "a.wav", "cannot read a.wav as video: it is not a video (looks like audio)"),
        (clips(), np.zeros((4, 4, 3)), "cannot read ndarray in memory as video: a clip must be (T, H, W, 3) or (T, 3, H, W); got (4, 4, 3)"),
    ],
    ids=lambda value: value[12:60] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_cannot_be_read_is_missing_and_noted(reader, cell, reason, folder, read):
    values, mask, notes = read(reader, [cell], folder)
    assert notes == [(1, "broken", reason)]
    assert not mask.any()
    assert not values.any()


@pytest.mark.parametrize("cell", [None, "", "  ", float("nan"), [], " | ", {"bytes": None, "path": None}], ids=repr)
@pytest.mark.parametrize("reader", [images(), sounds(), clips(), images(3)], ids=["image", "audio", "video", "bag"])
def test_an_empty_cell_is_missing_without_a_note(reader, cell, read):
    values, mask, notes = read(reader, [cell])
    assert (mask.any(), values.any(), notes) == (False, False, [])


def test_recordings_are_padded_and_masked(read):
    values, mask, _ = read(sounds(), [(WAVE[:10], 8000), None, (WAVE[:30], 8000)])
    assert values.shape == mask.shape == (3, 30)
    assert mask.sum(1).tolist() == [10, 0, 30]
    assert not values[~mask].any()


@pytest.mark.parametrize(("seconds", "length", "cut"), [(None, 4000, False), (0.5, 4000, False), (0.4999, 3999, True), (0.1, 800, True)])  # fmt: skip
@pytest.mark.parametrize("cell", [(WAVE, 8000), wav()], ids=["wave", "file"])
def test_a_longer_recording_is_cut_and_noted(cell, seconds, length, cut, read):
    values, _, notes = read(sounds(seconds=seconds), [cell])
    np.testing.assert_allclose(values[0], WAVE[:length], atol=1e-6)
    assert notes == ([(1, "cut", f"the recording is longer than {seconds:g} s")] if cut else [])


def test_a_bag_keeps_what_can_be_read_and_notes_the_rest(folder, read):
    cells = ["a.png|图.png", ["图.png", PIXELS], "gone.png|图.png", "a.png", None, "gone.png", "a.png|a.png|图.png"]
    values, mask, notes = read(images(2), cells, folder)
    assert values.shape == (7, 2, 3, 6, 8)
    assert mask.tolist() == [[True, True], [True, True], [True, False], [True, False], [False, False], [False, False], [True, True]]  # fmt: skip
    one, other = PIXELS.transpose(2, 0, 1), 255 - PIXELS.transpose(2, 0, 1)
    for found, wanted in zip(values[mask], [one, other, other, one, other, one, one, one], strict=True):
        np.testing.assert_array_equal(found, wanted)
    gone = ("broken", "cannot read gone.png as image: no such file")
    assert notes == [(3, *gone), (6, *gone), (7, "cut", "it names 3 files, and at most 2 were in a training row")]


def test_bags_of_recordings_and_clips_have_a_dimension_for_files(read):
    values, mask, _ = read(sounds(3), [[(WAVE[:10], 8000), (WAVE[:20], 8000)], None])
    assert values.shape == mask.shape == (2, 3, 20)
    assert mask.sum(2).tolist() == [[10, 20, 0], [0, 0, 0]]
    values, mask, _ = read(clips(2), [[FRAMES], [FRAMES, FRAMES]])
    assert values.shape == (2, 2, 4, 3, 8, 8)
    assert mask.all(2).tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize(
    ("reader", "cells"),
    [
        (images(), [PIXELS, None, PIXELS // 2, "gone.png"]),
        (images(2), [[PIXELS, PIXELS // 2], None, PIXELS]),
        (sounds(seconds=0.01), [(WAVE[:10], 8000), None, (WAVE, 8000), (WAVE, 16000)]),
        (sounds(2), [[(WAVE[:10], 8000), (WAVE[:7], 8000)], None, (WAVE[:30], 8000)]),
        (clips(), [FRAMES, None, FRAMES[:1]]),
    ],
    ids=["image", "bag of images", "audio", "bag of audio", "video"],
)
def test_a_row_alone_is_the_row_in_a_batch_and_after_restoring(reader, cells, read):
    again = type(reader).restore(json.loads(json.dumps(reader.state())))
    assert (again.columns, again.modality, again.bag) == (reader.columns, reader.modality, reader.bag)
    values, mask, _ = read(reader, cells)
    for row, cell in enumerate(cells):
        alone, alone_mask = (part[0] for part in read(again, [cell])[:2])
        assert mask[row].sum() == alone_mask.sum()
        np.testing.assert_array_equal(values[row][mask[row]], alone[alone_mask])


def test_fitting_learns_nothing():
    reader = images()
    state = reader.state()
    reader.fit([("a.png",), (None,)])
    assert reader.state() == state == {"column": "photo", "bag": 1, "size": (6, 8)}


def test_limits_are_given_anew_when_a_reader_is_restored(read):
    reader = ImageReader.restore(images().state(), Limits(max_pixels=4))
    assert read(reader, [PIXELS])[2] == [(1, "broken", "cannot read ndarray in memory as image: 8x6 pixels are over the limit of 4")]  # fmt: skip
