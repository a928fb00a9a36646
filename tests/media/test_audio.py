"""Recordings: every format to the samples that soundfile, FFmpeg and soxr give by hand; parts equal the whole's."""

import io
import math
import struct
import wave as wave_files

import numpy as np
import pytest
import soundfile
import soxr
from make_media import moving, tone, write_clip, write_recording

from sensorium.errors import MediaError
from sensorium.media import Limits, audio, probe, read_audio
from sensorium.media.audio import read_sound

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (30_000, 2)).astype(np.float32)


def main_frequency(wave: np.ndarray, rate: int) -> float:
    """Hz of the strongest line of the spectrum, between its bins by a parabola."""
    spectrum = np.log(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) + 1e-12)
    k = int(spectrum.argmax())
    a, b, c = spectrum[k - 1 : k + 2]
    return (k + (a - c) / (2 * (a - 2 * b + c))) * rate / len(wave)


def wav(values, rate=8000, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, values, rate, format="WAV", **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """The same stereo tone (440 Hz and 880 Hz, 1.5 s) in every format."""
    folder, rate = tmp_path_factory.mktemp("recordings"), 44100
    wave = tone(440, 1.5, rate, 2)
    paths = {}
    for name in ("wav", "flac", "ogg", "mp3", "aiff"):
        paths[name] = folder / f"tone.{name}"
        soundfile.write(paths[name], wave, rate)
    for name, codec in (("m4a", "aac"), ("mka", "flac"), ("wma", "wmav2"), ("aac", "aac")):
        paths[name] = write_recording(folder / f"tone.{name}", wave, rate, codec, b="128k")
    paths["opus"] = write_recording(folder / "tone.opus", tone(440, 1.5, 48000, 2), 48000, "libopus")
    frames = moving(38)  # 1.52 s
    for name, codec, sound in (
        ("mp4", "libx264", "aac"),
        ("mkv", "libx264", "libopus"),
        ("webm", "libvpx", "libopus"),
        ("mpg", "mpeg1video", "mp2"),
        ("avi", "mpeg4", "libmp3lame"),
        ("ts", "libx264", "aac"),
    ):
        paths[name] = write_clip(folder / f"clip.{name}", frames, codec, audio=sound)
    return paths


FORMATS = [
    "wav",
    "flac",
    "ogg",
    "mp3",
    "aiff",
    "m4a",
    "mka",
    "wma",
    "aac",
    "opus",
    "mp4",
    "mkv",
    "webm",
    "mpg",
    "avi",
    "ts",
]


@pytest.mark.parametrize("name", FORMATS)
def test_formats(recordings, name):
    wave = read_audio(recordings[name], 16000)
    assert wave.dtype == np.float32
    assert abs(len(wave) / 16000 - 1.5) < 0.08  # encoders pad to their frames
    middle = wave[4000:20000]
    # 0.25 at 440 Hz and 0.25 at 880 Hz: the mean of two channels of amplitude 0.5.
    for hertz in (440, 880):
        line = np.exp(2j * np.pi * hertz * np.arange(len(middle)) / 16000)
        assert abs(2 * abs(np.mean(middle * line)) - 0.25) < 0.02
    # And nothing else: two sines of power 0.25^2 / 2 each. (FFmpeg's MP3 and MP2 lose more of them than others.)
    assert np.mean(middle**2) == pytest.approx(0.25**2, rel=0.1 if name in {"avi", "mpg"} else 0.02)
    np.testing.assert_array_equal(read_audio(recordings[name].read_bytes(), 16000), wave)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_a_part_has_the_samples_it_has_in_the_whole(recordings, name, rate):
    whole = read_audio(recordings[name], rate)
    for start, seconds in ((0, 0.3), (0.4, 0.5), (1.0, 0.1), (1.2, 5.0), (0.7, None)):
        part, more = read_sound(recordings[name], rate, seconds, start=start)
        first = round(start * rate)
        expected = whole[first:] if seconds is None else whole[first : first + round(seconds * rate)]
        assert len(part) == len(expected)
        assert np.abs(part - expected).max() < 2e-6
        assert more == (seconds is not None and first + round(seconds * rate) < len(whole))


@pytest.mark.parametrize("name", ["m4a", "mp4", "opus", "mka", "mp3", "ogg"])
def test_a_part_far_into_a_recording(tmp_path, name):
    """Where the file is jumped into, and where it can't be, the samples are those of decoding all of it."""
    codec = {"opus": "libopus", "mka": "libopus", "mp3": "libmp3lame", "ogg": "libvorbis"}.get(name, "aac")
    wave = np.random.default_rng(1).uniform(-0.5, 0.5, (48000 * 12, 1)).astype(np.float32)
    path = tmp_path / f"long.{name}"
    if name == "ogg":
        soundfile.write(path, wave, 48000)
    else:
        write_recording(path, wave, 48000, codec)
    whole = read_audio(path, 48000)
    for start in (0.5, 5.0, 7.77, 11.5):
        part = read_audio(path, 48000, 0.25, start=start)
        assert np.abs(part - whole[round(start * 48000) :][: len(part)]).max() < 1e-5
        assert len(part) == 12000


@pytest.mark.parametrize(
    ("rate", "wanted"), [(44100, 16000), (8000, 16000), (16000, 44100), (22050, 8000), (11025, 11025)]
)
def test_resampling_is_soxrs(rate, wanted):
    expected = NOISE.mean(1) if rate == wanted else soxr.resample(NOISE.mean(1), rate, wanted)
    np.testing.assert_allclose(read_audio(wav(NOISE, rate, subtype="FLOAT"), wanted), expected, atol=1e-6)
    np.testing.assert_allclose(read_audio((NOISE, rate), wanted), expected, atol=1e-6)


def test_a_long_mp3_file_is_read_by_ffmpeg(recordings, monkeypatch):
    expected = read_audio(recordings["mp3"], 44100)
    monkeypatch.setattr(audio, "MP3", 1000)  # samples
    np.testing.assert_allclose(read_audio(recordings["mp3"], 44100), expected, atol=1e-4)
    np.testing.assert_allclose(read_audio(recordings["mp3"], 44100, 0.4, start=0.7), expected[30870:48510], atol=1e-4)


def test_long_files_are_read_in_blocks(recordings, monkeypatch):
    for name in ("wav", "flac", "ogg"):
        expected = read_audio(recordings[name], 44100)
        with monkeypatch.context() as patch:
            patch.setattr(audio, "BLOCK", 1000)  # samples
            np.testing.assert_array_equal(read_audio(recordings[name], 44100), expected)


def test_what_lies_above_half_the_rate_is_filtered_out():
    """5 kHz can't be at 8000 Hz; 1 kHz stays as it was."""
    high, low = tone(5000, 1, 48000), tone(1000, 1, 48000)
    assert np.abs(read_audio((high, 48000), 8000)[1000:-1000]).max() < 1e-3
    got = read_audio((low, 48000), 8000)
    assert np.abs(got - tone(1000, 1, 8000)[:, 0])[1000:-1000].max() < 1e-3
    assert abs(main_frequency(got, 8000) - 1000) < 0.1


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 9])
def test_any_number_of_channels(channels):
    wave = np.random.default_rng(2).uniform(-1, 1, (3000, channels)).astype(np.float32)
    expected = wave.astype(np.float64).mean(1)
    np.testing.assert_allclose(read_audio(wav(wave, subtype="FLOAT"), 8000), expected, atol=1e-6)


def test_surround_in_a_container(tmp_path):
    wave = np.random.default_rng(3).uniform(-0.5, 0.5, (4800, 6)).astype(np.float32)
    path = write_recording(tmp_path / "surround.mka", wave, 48000, "flac")
    np.testing.assert_allclose(read_audio(path, 48000), wave.mean(1), atol=1e-4)  # 16 bits


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_sample_formats(subtype):
    step = {"PCM_U8": 1 / 128, "PCM_16": 1 / 32768, "PCM_24": 1e-6, "ULAW": 0.04}.get(subtype, 1e-6)
    got = read_audio(wav(NOISE[:, 0], subtype=subtype), 8000)
    assert np.abs(got - NOISE[:, 0]).max() <= step + 1e-7


def test_arrays_of_whole_numbers_are_as_in_a_file():
    whole = (NOISE * 32768).astype(np.int16)
    np.testing.assert_allclose(read_audio((whole, 8000), 8000), read_audio(wav(whole), 8000), atol=1e-7)
    eight = np.array([0, 64, 128, 255], dtype=np.uint8)
    np.testing.assert_allclose(read_audio((eight, 4), 4), [-1, -0.5, 0, 127 / 128])
    long = np.array([-(2**31), 2**30], dtype=np.int32)
    np.testing.assert_allclose(read_audio((long, 4), 4), [-1, 0.5])


def test_arrays_may_have_channels_first_and_any_rate():
    np.testing.assert_array_equal(read_audio((NOISE.T, 8000), 8000), read_audio((NOISE, 8000), 8000))
    got = read_audio((NOISE, 8000.5), 4000)
    np.testing.assert_allclose(got, soxr.resample(NOISE.mean(1), 8000.5, 4000), atol=1e-6)
    part = read_audio((NOISE, 8000.5), 4000, 0.5, start=1.0)
    np.testing.assert_allclose(part, got[4000:6000], atol=1e-5)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ((np.zeros((2, 2, 2)), 8000), r"a wave must be \(samples,\) or \(samples, channels\) .* got \(2, 2, 2\), 8000"),
        ((np.zeros(5), 0), r"a wave must be .* with a rate above 0; got \(5,\), 0"),
        ((np.zeros(5), math.nan), "a wave must be .* got"),
        ((np.zeros(0), 8000), "it holds no samples"),
        ((np.array([0.0, np.nan]), 8000), "it holds samples that are not finite"),
        ((np.array([0.0, 1e300]), 8000), "it holds samples that are not finite"),
        ((np.zeros(5, np.uint16), 8000), "a wave must hold floats, signed whole numbers or bytes; got uint16"),
        ((np.array(["a"]), 8000), "a wave must hold floats, signed whole numbers or bytes; got <U1"),
        ((np.zeros(500), 1e9), r"its rate of 1000000000\.0 Hz cannot be made 8000 Hz|it is shorter than one sample"),
        ((np.zeros(1), 48000), "it is shorter than one sample at 8000 Hz"),
        (wav(np.zeros((0, 1))), "it holds no samples"),
        (b"no sound at all", r"it is not a media file \(looks like text\)"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), r"it is not an audio file \(looks like image\)|it is not a media file"),
    ],
)
def test_what_cannot_be_read(source, reason):
    with pytest.raises(MediaError, match=f"^{reason}"):
        read_audio(source, 8000)


def test_parts_that_are_not_there(recordings):
    for name in ("wav", "m4a", "mkv"):
        with pytest.raises(MediaError, match=r"^it holds no samples after 7 s$"):
            read_audio(recordings[name], 16000, 1.0, start=7)
    with pytest.raises(MediaError, match="a part must begin at 0 s or later and be longer than 0 s; got -1, 2"):
        read_audio(recordings["wav"], 16000, 2, start=-1)


def test_a_silent_clip_has_no_sound_track(tmp_path):
    with pytest.raises(MediaError, match=r"^it has no sound track$"):
        read_audio(write_clip(tmp_path / "silent.mp4", moving(3)), 8000)


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "m4a", "mp4", "mka"])
def test_a_recording_that_ends_early_is_broken(recordings, tmp_path, name):
    content = recordings[name].read_bytes()
    if name in {"m4a", "mp4"}:  # with its table first, as for streaming
        import av

        path = tmp_path / f"first.{name}"
        with av.open(io.BytesIO(content)) as old, av.open(str(path), "w", options={"movflags": "faststart"}) as new:
            stream = new.add_stream_from_template(old.streams.audio[0])
            for packet in old.demux(audio=0):
                if packet.size:
                    packet.stream = stream
                    new.mux(packet)
        content = path.read_bytes()
    cut = content[: int(0.6 * len(content))]
    with pytest.raises(MediaError, match=r"^the file ends early"):
        read_audio(cut, 16000)
    # What is there can be had.
    if name in {"wav", "flac"}:
        np.testing.assert_array_equal(read_audio(cut, 44100, 0.5), read_audio(content, 44100, 0.5))


def test_a_wav_file_of_unknown_length():
    """As a program writes it into a pipe: the length in the header is the largest number."""
    content = bytearray(wav(NOISE[:, 0]))
    expected = read_audio(bytes(content), 8000)
    place = content.index(b"data")
    content[place + 4 : place + 8] = struct.pack("<I", 0xFFFFFFFF)
    content[4:8] = struct.pack("<I", 0xFFFFFFFF)
    np.testing.assert_array_equal(read_audio(bytes(content), 8000), expected)


def test_a_wav_header_that_promises_ten_hours():
    file = io.BytesIO()
    with wave_files.open(file, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(bytes(800))
    content = bytearray(file.getvalue())
    place = content.index(b"data")
    content[place + 4 : place + 8] = struct.pack("<I", 36_000 * 8000 * 2)
    with pytest.raises(MediaError, match=r"^36000 s are over the limit of 14400 s$"):
        read_audio(bytes(content), 8000)
    with pytest.raises(MediaError, match=r"^the file ends early$"):
        read_audio(bytes(content), 8000, limits=Limits(max_seconds=40_000))


def test_limits(recordings):
    for name in FORMATS:
        with pytest.raises(MediaError, match=r"over the limit of 1 s"):
            read_audio(recordings[name], 8000, limits=Limits(max_seconds=1))


def test_odd_names(recordings, tmp_path):
    for name in ("wav", "m4a"):
        expected = read_audio(recordings[name], 16000)
        for odd in ("- %d |'\" é 中 🎧\n", b"\xff".decode("utf-8", "surrogateescape")):
            path = tmp_path / odd
            path.write_bytes(recordings[name].read_bytes())
            np.testing.assert_array_equal(read_audio(path, 16000), expected)


def test_probe_says_what_the_header_says(recordings):
    info = probe(recordings["flac"])
    assert (info.kind, info.sample_rate, info.channels, info.has_audio) == ("audio", 44100, 2, True)
    assert info.seconds == pytest.approx(1.5)
    info = probe(recordings["mp4"])
    assert (info.kind, info.width, info.height, info.fps, info.sample_rate) == ("video", 64, 48, 25, 48000)
