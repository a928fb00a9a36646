"""Files for the tests of media: clips, recordings and pictures, written by PyAV, soundfile and Pillow."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def moving(count: int, height: int = 48, width: int = 64, seed: int = 0) -> list[np.ndarray]:
    """Frames (H, W, 3) uint8 that all differ: a textured picture that moves, and a bar that tells which one it is."""
    random = np.random.default_rng(seed)
    texture = np.kron(random.integers(0, 256, (height // 4, width // 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    frames = []
    for i in range(count):
        frame = np.roll(texture, (i % height, 2 * i % width), (0, 1))
        frame[: height // 4, : (i + 1) * width // count] = (255, 255 - 3 * i % 256, 40)
        frames.append(frame)
    return frames


def tone(hertz: float, seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """A sine of amplitude 0.5, float32 (samples, channels); channel c is c + 1 times as high."""
    time = np.arange(round(seconds * rate)) / rate
    waves = [0.5 * np.sin(2 * np.pi * hertz * (c + 1) * time) for c in range(channels)]
    return np.stack(waves, 1).astype(np.float32)


def write_clip(
    path: Path,
    frames: list[np.ndarray],
    codec: str = "libx264",
    rate: int = 25,
    times: list[int] | None = None,
    audio: str | None = None,
    pix_fmt: str = "yuv420p",
    sound_rate: int = 48000,
    container_options: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """A clip; `times` in ms where they are not even; with a stereo tone of 440 Hz where `audio` names a codec."""
    with av.open(str(path), "w", options={"fflags": "+bitexact", **(container_options or {})}) as container:
        video = container.add_stream(codec, rate=rate, options=options)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = pix_fmt
        if times is not None:
            video.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream(audio, rate=sound_rate, layout="stereo") if audio else None
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[i], Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound is not None:
            write_sound(container, sound, tone(440, len(frames) / rate, sound_rate, 2), sound_rate)
    return path


def write_recording(path: Path, wave: np.ndarray, rate: int, codec: str, layout: str | None = None, **options) -> Path:
    """A recording (samples, channels) by one of FFmpeg's encoders."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[wave.shape[1]]
        write_sound(container, container.add_stream(codec, rate=rate, layout=layout, options=options), wave, rate)
    return path


def write_sound(container, stream, wave: np.ndarray, rate: int) -> None:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave.T), format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(format=stream.format.name, layout=stream.layout.name, rate=rate)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode())


def decode_in_order(path: Path, size: tuple[int, int]) -> tuple[list[np.ndarray], list[int | None], int]:
    """All frames by PyAV alone, scaled: (3, H, W) each, their times, and when the last one ends."""
    from av.video.reformatter import Interpolation, VideoReformatter

    scaler, frames, times = VideoReformatter(), [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            small = scaler.reformat(frame, size[1], size[0], "rgb24", interpolation=Interpolation.AREA)
            frames.append(small.to_ndarray().transpose(2, 0, 1))
            times.append(frame.pts)
    with av.open(str(path)) as container:
        ends = [(packet.pts, packet.duration or 0) for packet in container.demux(video=0) if packet.pts is not None]
    return frames, times, sum(max(ends, default=(0, 0)))
