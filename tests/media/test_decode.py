"""One file to one array, by kind."""

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from make_media import moving, tone
from PIL import Image

from sensorium.errors import ConfigError, MediaError
from sensorium.media import Limits
from sensorium.media.decode import DECODERS, Decoded, add, decode


def wav(seconds: float, rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(100, seconds, rate), rate, format="WAV")
    return file.getvalue()


def test_images_and_clips():
    frames = np.stack(moving(4, 24, 32))
    assert decode("image", frames[0], {"size": (6, 8)}).values.shape == (3, 6, 8)
    assert decode("image", frames[0], {"size": [6, 8]}).notes == ()  # as JSON has it
    assert decode("video", frames, {"frames": 2, "size": (6, 8)}).values.shape == (2, 3, 6, 8)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
@pytest.mark.parametrize("wanted", [8000, 16000])
def test_a_recording_that_is_cut_is_noted(rate, wanted):
    """Whatever the rates, one note where there is more than was asked for, and none where there isn't."""
    note = ("cut", "the recording is longer than 0.25 s")
    for seconds, notes in ((0.2, ()), (0.25, ()), (0.26, (note,)), (2.0, (note,))):
        values, found = decode("audio", wav(seconds, rate), {"sample_rate": wanted, "seconds": 0.25})
        assert found == notes
        assert len(values) == round(min(seconds, 0.25) * wanted)
    values, found = decode("audio", wav(2.0, rate), {"sample_rate": wanted, "seconds": None})
    assert (len(values), found) == (2 * wanted, ())


def test_a_recording_from_the_middle():
    whole = decode("audio", wav(2.0, 8000), {"sample_rate": 8000, "seconds": None}).values
    part = decode("audio", wav(2.0, 8000), {"sample_rate": 8000, "seconds": 0.5, "start": 1.25})
    np.testing.assert_array_equal(part.values, whole[10000:14000])
    assert part.notes == (("cut", "the recording is longer than 0.5 s"),)
    end = decode("audio", wav(2.0, 8000), {"sample_rate": 8000, "seconds": 0.5, "start": 1.5})
    assert end.notes == ()


def test_limits_are_passed_on():
    with pytest.raises(MediaError, match="2 s are over the limit of 1 s"):
        decode("audio", wav(2.0, 8000), {"sample_rate": 8000, "seconds": None}, Limits(max_seconds=1))


def test_kinds():
    assert {"audio", "image", "video"} <= DECODERS.keys()
    with pytest.raises(ConfigError, match=r"unknown kind of media 'vidoe'\. Did you mean 'video'\? There are: "):
        decode("vidoe", b"", {})
    with pytest.raises(ConfigError, match="the kind of media 'image' is there already"):
        add("image", DECODERS["image"])


def test_another_kind():
    add("length", lambda source, options, limits: Decoded(np.array([len(source)])))
    try:
        assert decode("length", b"abc", {}).values == [3]
    finally:
        del DECODERS["length"]


def test_too_little_memory_is_a_reason(monkeypatch):
    def hungry(source, options, limits):
        raise MemoryError

    monkeypatch.setitem(DECODERS, "hungry", hungry)
    with pytest.raises(MediaError, match=r"^it needs more memory than there is$"):
        decode("hungry", b"", {})


def test_a_picture_and_its_bytes():
    file = io.BytesIO()
    image = Image.fromarray(moving(1)[0])
    image.save(file, "PNG")
    options = {"size": (10, 12)}
    np.testing.assert_array_equal(
        decode("image", file.getvalue(), options).values, decode("image", image, options).values
    )


def test_no_torch():
    """A decoding process needs none of it: it would cost seconds and a gigabyte each."""
    code = "import sys, sensorium.media.worker; sys.exit(any(name in sys.modules for name in ('torch', 'pandas', 'lightning')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
