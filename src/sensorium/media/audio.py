"""Recordings, and the sound tracks of clips: bytes to samples of one channel and one rate."""

import io
import math
import os
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import soundfile
import soxr

from sensorium.errors import MediaError
from sensorium.media.limits import LIMITS, Limits, check_seconds, open_bytes
from sensorium.media.probe import not_a, open_container, said_frames, sniff_source

__all__ = ["Sound", "read_audio", "read_sound"]

AudioSource = str | os.PathLike[str] | bytes | tuple[np.ndarray, float]

BLOCK = 1 << 18  # samples read at once, of each channel
FILTER = 128  # samples at the lower rate: soxr's filter reaches no farther (measured: 96)
MP3 = 1 << 24  # samples of each channel: longer ones go to FFmpeg, see below


class Sound(NamedTuple):
    """float32 samples, and whether the recording goes on after them."""

    values: np.ndarray
    more: bool


class _Span(NamedTuple):
    """The wanted part of a recording, in samples of the result."""

    rate: int
    start: int
    count: int | None

    def at(self, rate: float) -> tuple[int, int | None, int]:
        """The samples to read of a source of `rate`: first, end (None: all), and where in their resampling the
        part begins. The filter's reach is read beyond both ends, and a sample more, which tells whether it goes on."""
        ratio = rate / self.rate
        reach = 0 if ratio == 1 else math.ceil(FILTER * max(1.0, ratio))
        end = None if self.count is None else math.ceil((self.start + self.count + 1) * ratio) + reach
        if rate != int(rate):  # no sample of the source falls on one of the result: from the beginning
            return 0, end, self.start
        step = int(rate) // math.gcd(int(rate), self.rate)
        first = max(0, int((self.start * ratio - reach) // step) * step)
        return first, end, self.start - first * self.rate // int(rate)


def read_audio(
    source: AudioSource,
    sample_rate: int,
    max_seconds: float | None = None,
    limits: Limits = LIMITS,
    start: float = 0.0,
) -> np.ndarray:
    """A recording as float32 (samples,), the mean of its channels, resampled by soxr.

    A part of it has the samples that it has in the whole; only what is needed for it is decoded.

    Args:
        source: a path or a file's bytes (of sound, or of a clip with sound), or (wave, rate in Hz), the wave
            (samples,) or (samples, channels), floats in -1..1 or whole numbers of 8, 16 or 32 bits.
        sample_rate: Hz, of the result.
        max_seconds: no more than this is read.
        limits: checked before decoding.
        start: seconds into the recording.

    Raises:
        MediaError: with the reason, for whatever can't be read.
    """
    return read_sound(source, sample_rate, max_seconds, limits, start).values


def read_sound(
    source: AudioSource,
    sample_rate: int,
    max_seconds: float | None = None,
    limits: Limits = LIMITS,
    start: float = 0.0,
) -> Sound:
    """`read_audio`, and whether the recording goes on after what was read."""
    if not start >= 0 or not (max_seconds is None or max_seconds > 0):
        raise MediaError(f"a part must begin at 0 s or later and be longer than 0 s; got {start}, {max_seconds}")
    count = None if max_seconds is None else max(1, round(max_seconds * sample_rate))
    span = _Span(sample_rate, round(start * sample_rate), count)
    if isinstance(source, tuple):
        wave, rate = from_array(*source)
        check_seconds(len(wave) / rate, limits)
        first, end, skip = span.at(rate)
        wave = _mono(wave[first:end])
    else:
        opened = open_bytes(source, limits)
        try:
            found = _soundfile(opened, span, limits)
        except (soundfile.LibsndfileError, RuntimeError):
            found = None
        wave, rate, skip = found or _container(opened, span, limits)
    if not len(wave):
        raise MediaError(f"it holds no samples{f' after {start:g} s' if start else ''}")
    if not np.isfinite(wave).all():
        raise MediaError("it holds samples that are not finite")
    if rate != sample_rate:
        try:
            wave = soxr.resample(wave, rate, sample_rate)
        except (ValueError, RuntimeError) as error:
            raise MediaError(f"its rate of {rate} Hz cannot be made {sample_rate} Hz ({error})") from error
    values = wave[skip:] if count is None else wave[skip : skip + count]
    if not len(values):
        raise MediaError(
            f"it holds no samples after {start:g} s" if start else f"it is shorter than one sample at {sample_rate} Hz"
        )
    # A copy where it was cut: a view would keep the rest in memory.
    values = np.array(values, dtype=np.float32, copy=True if len(values) < len(wave) else None)
    return Sound(np.ascontiguousarray(values), len(wave) > skip + len(values))


def from_array(wave: np.ndarray, rate: float) -> tuple[np.ndarray, float]:
    """A wave in memory as floats in -1..1, channels last."""
    wave = np.asarray(wave)
    if wave.ndim not in {1, 2} or not 0 < rate < math.inf:
        raise MediaError(
            f"a wave must be (samples,) or (samples, channels) with a rate above 0; got {wave.shape}, {rate}"
        )
    if wave.dtype.kind not in "fbi" and wave.dtype != np.uint8:
        raise MediaError(f"a wave must hold floats, signed whole numbers or bytes; got {wave.dtype}")
    if wave.ndim == 2 and wave.shape[0] < wave.shape[1] and wave.shape[0] <= 8:
        wave = wave.T  # (samples, channels)
    return _floats(wave), float(rate)


def _floats(wave: np.ndarray) -> np.ndarray:
    """Samples as float32; whole numbers are scaled to -1..1."""
    if wave.dtype == np.float32:
        return wave
    if wave.dtype == np.uint8:
        return (wave.astype(np.float32) - 128) / 128
    if np.issubdtype(wave.dtype, np.integer):
        return (wave / -float(np.iinfo(wave.dtype).min)).astype(np.float32)
    with np.errstate(over="ignore"):  # what is too large is not finite, which is an error later
        return wave.astype(np.float32)


def _mono(wave: np.ndarray) -> np.ndarray:
    """The mean of the channels. (samples, channels) -> (samples,)"""
    if wave.ndim == 1:
        return wave
    if (channels := wave.shape[1]) == 1:
        return wave[:, 0]
    return wave @ np.full(channels, 1 / channels, dtype=np.float32)  # up to 30 times as fast as mean(1)


def _soundfile(opened: bytes | Path, span: _Span, limits: Limits) -> tuple[np.ndarray, int, int] | None:
    """What libsndfile opens. Returns samples, their rate, and where in their resampling the part begins.

    None: it is for FFmpeg.
    """
    said = said_frames(opened)
    with (
        io.BytesIO(opened) if isinstance(opened, bytes) else open(opened, "rb") as file,
        soundfile.SoundFile(file) as sound,
    ):
        rate, length = sound.samplerate, max(sound.frames, said or 0)
        check_seconds(length / rate, limits)
        first, end, skip = span.at(rate)
        end = length if end is None else min(end, length)
        if first >= end:
            return np.empty(0, dtype=np.float32), rate, skip
        if sound.format == "MP3":
            # Read at once, for soundfile seeks after each read, and libsndfile gives wrong samples for a while then.
            if end > MP3:
                return None
            block = sound.read(end, dtype="float32", always_2d=True)
            if len(block) < end:
                raise MediaError("the file ends early")
            return _mono(block[first:]), rate, skip
        sound.seek(min(first, sound.frames))
        blocks, missing = [], end - first
        while missing > 0:
            block = sound.read(min(BLOCK, missing), dtype="float32", always_2d=True)
            if not len(block):
                raise MediaError("the file ends early")
            blocks.append(_mono(block))
            missing -= len(block)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks), rate, skip


def _container(opened: bytes | Path, span: _Span, limits: Limits) -> tuple[np.ndarray, int, int]:
    """The same for the sound of whatever FFmpeg opens."""
    if sniff_source(opened) == "image":
        raise MediaError(not_a("audio file", "image"))
    with open_container(opened) as container:
        if not container.streams.audio:
            raise MediaError("it has no sound track" if container.streams.video else not_a("audio file", None))
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise MediaError("there is no decoder for its sound")
        stream.thread_type = "NONE"
        said = float(stream.duration * stream.time_base) if stream.duration else None
        check_seconds(said or (container.duration or 0) / av.time_base, limits)
        clocks = [float(some.time_base or 0) for some in container.streams]  # s, of a tick
        first, end, rate, skip, place, blocks, last = 0, None, 0, 0, 0, [], 0.0
        try:
            # In order: AAC decoders make up noise, and after a jump it would be another.
            for packet in container.demux([stream] if said else [stream, *container.streams.video[:1]]):
                if not said and packet.pts is not None:
                    last = max(last, (packet.pts + (packet.duration or 0)) * clocks[packet.stream_index])
                for frame in packet.decode() if packet.stream_index == stream.index else ():
                    if not rate or frame.sample_rate != rate:
                        if rate or frame.sample_rate < 1:
                            raise MediaError(f"its sample rate changes ({rate} Hz, then {frame.sample_rate} Hz)")
                        rate = frame.sample_rate
                        first, end, skip = span.at(rate)
                    after = place + frame.samples
                    if after > limits.max_seconds * rate:
                        check_seconds(after / rate, limits)
                    if after > first:
                        block = _samples(frame)
                        cut = place < first or (end is not None and after > end)
                        blocks.append(block[max(0, first - place) : end and end - place] if cut else block)
                    place = after
                if end is not None and place >= end:
                    break
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, MediaError | MemoryError):
                raise
            raise MediaError("the file ends early" if rate else "its sound is damaged") from error
        if not rate:
            raise MediaError("it holds no samples")
        if end is None or place < end:
            there, wanted = place / rate, said if end is None or said is None else min(said, end / rate)
            if wanted is None and container.duration:  # of all streams
                there, wanted = last, ((container.start_time or 0) + container.duration) / av.time_base
            # Codecs round to their frames, and containers to their clocks.
            if wanted is not None and there < wanted - max(0.25, 0.02 * wanted):
                raise MediaError("the file ends early")
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32), rate, skip


def _samples(frame) -> np.ndarray:
    """The mean of a frame's channels, as floats. (samples,)"""
    values = frame.to_ndarray()
    if frame.format.is_planar:
        return _mono(_floats(values).T)
    return _mono(_floats(values).reshape(-1, frame.layout.nb_channels))
