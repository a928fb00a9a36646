"""Clips that examples write."""

import io

import av
import numpy as np

from sensorium.examples.clips import SAMPLE_RATE, encoded

PICTURES = [np.full((32, 48, 3), (20 * index, 90, 200)) for index in range(8)]
WAVE = np.sin(2 * np.pi * 500 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)


def test_pictures_and_sound_come_back():
    with av.open(io.BytesIO(encoded(PICTURES, WAVE, rate=8))) as clip:
        assert clip.streams.video[0].codec_context.name == "h264"
        assert clip.streams.video[0].average_rate == 8
        seen = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    assert [picture.shape for picture in seen] == [(32, 48, 3)] * 8
    assert max(abs(a.mean((0, 1)) - b.mean((0, 1))).max() for a, b in zip(seen, PICTURES, strict=True)) < 12
    with av.open(io.BytesIO(encoded(PICTURES, WAVE, rate=8))) as clip:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in clip.decode(audio=0)])
    power = abs(np.fft.rfft(wave[:SAMPLE_RATE])) ** 2
    assert power.argmax() == 500  # Hz, of one second


def test_without_a_wave_there_is_no_sound_track():
    with av.open(io.BytesIO(encoded(PICTURES, None))) as clip:
        assert not clip.streams.audio
        assert len(list(clip.decode(video=0))) == 8


def test_the_same_pictures_make_the_same_bytes_whatever_memory_holds():
    random = np.random.default_rng(0)
    moving = [np.roll(np.pad(np.full((20, 20, 3), 200), ((22, 22), (22, 22), (0, 0))), step, 1) for step in range(12)]
    moving = [picture + random.normal(0, 6, picture.shape) for picture in moving]
    made = set()
    for _ in range(12):
        litter = [random.integers(0, 255, random.integers(10, 200_000), dtype=np.uint8) for _ in range(20)]
        del litter[::2]
        made.add(encoded(moving, WAVE))
    assert len(made) == 1
