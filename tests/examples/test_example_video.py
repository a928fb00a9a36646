"""Clips in which something moves and sounds: what is named is there to be seen and heard."""

import itertools

import av
import numpy as np
import pandas as pd
import pytest

from sensorium.examples.video import SAMPLE_RATE, heard, make_video, moving


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("video") / "data", rows=(80, 8, 8))


def watched(path) -> tuple[str, str, str | None]:
    """Shape, direction and sound of a clip, by plain measures."""
    with av.open(str(path)) as clip:
        pictures = [frame.to_ndarray(format="rgb24").astype(float).sum(2) for frame in clip.decode(video=0)]
    bright = [picture > (picture.min() + picture.max()) / 2 for picture in pictures]  # (H, W)
    centres = [np.nonzero(one)[1].mean() for one in bright]
    rows, columns = np.nonzero(bright[len(bright) // 2])
    filled = len(rows) / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1))  # of its box: 1, or pi / 4
    with av.open(str(path)) as clip:
        if not clip.streams.audio:
            sound = None
        else:
            wave = np.concatenate([frame.to_ndarray()[0] for frame in clip.decode(audio=0)])
            power = abs(np.fft.rfft(wave)) ** 2
            strongest = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)[power.argmax()]
            sound = "bell" if strongest > 550 else "horn"
    return "disc" if filled < 0.89 else "square", "right" if centres[-1] > centres[0] else "left", sound


def test_what_is_named_is_seen_and_heard(made):
    table = pd.read_csv(made["train"])
    silent = 0
    for name, track, event in zip(table["clip"], table["track"], table["event"], strict=True):
        *seen, sound = watched(made["train"].parent / name)
        assert seen == event.split()[:2], name
        assert (sound is None) == (track == "silent")
        assert sound in (None, event.split()[2]), name
        silent += sound is None
    assert 2 <= silent <= 16  # of 80, one in ten
    assert (table["event"].value_counts() == 10).all()
    assert set(table["event"]) == {
        " ".join(words) for words in itertools.product(("square", "disc"), ("left", "right"), ("bell", "horn"))
    }


def test_a_clip_is_as_long_as_its_sound():
    random = np.random.default_rng(0)
    assert len(moving(True, True, random)) == 12
    assert len(heard(True, random)) == len(heard(False, random)) == 1.2 * SAMPLE_RATE
    assert max(abs(heard(bell, random)).max() for bell in (True, False)) < 1
