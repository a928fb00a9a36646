"""Recordings, and the sound tracks of clips: bytes to samples of one channel and one rate."""

import io
import os

import av
import numpy as np
import soundfile
import soxr

from sensorium.errors import MediaError
from sensorium.media.limits import LIMITS, Limits, check_seconds, open_bytes
from sensorium.media.probe import not_a, open_container, sniff_source

__all__ = ["read_audio"]

AudioSource = str | os.PathLike[str] | bytes | tuple[np.ndarray, float]


def read_audio(
    source: AudioSource, sample_rate: int, max_seconds: float | None = None, limits: Limits = LIMITS
) -> np.ndarray:
    """A recording as float32 (samples,), the mean of its channels, resampled by soxr.

    Args:
        source: a path or a file's bytes (of sound, or of a clip with sound), or (wave, rate in Hz), the wave
            (samples,) or (samples, channels), floats in -1..1 or whole numbers of 16 or 32 bits.
        sample_rate: Hz, of the result.
        max_seconds: only so much of the beginning is decoded.
        limits: checked before decoding.

    Raises:
        MediaError: with the reason, for whatever can't be read.
    """
    if isinstance(source, tuple):
        wave, rate = from_array(*source)
        check_seconds(len(wave) / rate, limits)
        wave = wave if max_seconds is None else wave[: int(max_seconds * rate)]
    else:
        opened = open_bytes(source, limits)
        try:
            wave, rate = _soundfile(opened, max_seconds, limits)
        except (soundfile.LibsndfileError, RuntimeError):
            wave, rate = _container(opened, max_seconds, limits)
    if not len(wave):
        raise MediaError("it holds no samples")
    if wave.ndim == 2:
        wave = wave.mean(1)  # (samples,)
    if not np.isfinite(wave).all():
        raise MediaError("it holds samples that are not finite")
    if rate != sample_rate:
        wave = soxr.resample(wave, rate, sample_rate)
    if not len(wave):
        raise MediaError(f"it is shorter than one sample at {sample_rate} Hz")
    return np.ascontiguousarray(wave, dtype=np.float32)


def from_array(wave: np.ndarray, rate: float) -> tuple[np.ndarray, float]:
    """A wave in memory, scaled to -1..1, channels last."""
    wave = np.asarray(wave)
    if wave.ndim not in {1, 2} or not rate > 0:
        raise MediaError(
            f"a wave must be (samples,) or (samples, channels) with a rate above 0; got {wave.shape}, {rate}"
        )
    if np.issubdtype(wave.dtype, np.integer):
        wave = wave / float(np.iinfo(wave.dtype).max)
    if wave.ndim == 2 and wave.shape[0] < wave.shape[1] and wave.shape[0] <= 8:
        wave = wave.T  # (samples, channels)
    return wave.astype(np.float32), float(rate)


def _soundfile(opened, max_seconds: float | None, limits: Limits) -> tuple[np.ndarray, int]:
    with soundfile.SoundFile(io.BytesIO(opened) if isinstance(opened, bytes) else str(opened)) as file:
        check_seconds(file.frames / file.samplerate, limits)
        frames = -1 if max_seconds is None else int(max_seconds * file.samplerate)
        wave = file.read(frames, dtype="float32", always_2d=True)
        wanted = file.frames if frames < 0 else min(frames, file.frames)
        if len(wave) < wanted:
            raise MediaError("the file ends early")
        return wave, file.samplerate


def _container(opened, max_seconds: float | None, limits: Limits) -> tuple[np.ndarray, int]:
    """The sound of whatever FFmpeg opens, decoded as far as is wanted."""
    with open_container(opened) as container:
        if not container.streams.audio:
            if container.streams.video and sniff_source(opened) != "image":
                raise MediaError("it has no sound track")
            raise MediaError(not_a("audio file", sniff_source(opened)))
        check_seconds((container.duration or 0) / av.time_base, limits)
        rate = container.streams.audio[0].codec_context.sample_rate
        most = int(min(limits.max_seconds, max_seconds or limits.max_seconds) * rate)
        resampler = av.AudioResampler(format="fltp", layout=None, rate=rate)
        parts, count = [], 0
        try:
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    parts.append(part.to_ndarray())  # (channels, samples)
                    count += parts[-1].shape[1]
                if count >= most:
                    break
        except (av.FFmpegError, ValueError) as error:
            raise MediaError("the file ends early" if parts else "its sound is damaged") from error
        if not parts:
            raise MediaError("it holds no samples")
        return np.concatenate(parts, axis=1).T[:most], rate  # (samples, channels)
