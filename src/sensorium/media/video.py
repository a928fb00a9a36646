"""Clips: bytes to frames, evenly spaced in time."""

import os

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from sensorium.errors import MediaError
from sensorium.media.image import read_image
from sensorium.media.limits import LIMITS, Limits, check_pixels, check_seconds, open_bytes
from sensorium.media.probe import not_a, open_container, sniff_source

__all__ = ["read_video"]

VideoSource = str | os.PathLike[str] | bytes | np.ndarray


def read_video(source: VideoSource, frames: int, size: tuple[int, int], limits: Limits = LIMITS) -> np.ndarray:
    """A clip as uint8 (frames, 3, height, width): the frame shown at the middle of each of `frames` equal spans.

    A clip of fewer frames shows some of them twice.

    Args:
        source: a path, a file's bytes, or an array (T, H, W, 3) or (T, 3, H, W).
        frames: how many.
        size: (height, width) in pixels.
        limits: checked before decoding.

    Raises:
        MediaError: with the reason, for whatever can't be read; a clip that ends early counts as broken.
    """
    if isinstance(source, np.ndarray):
        if source.ndim != 4 or not len(source):
            raise MediaError(f"a clip must be (T, H, W, 3) or (T, 3, H, W); got {tuple(source.shape)}")
        return np.stack([read_image(source[i], size, limits) for i in middles(len(source), frames)])
    opened = open_bytes(source, limits)
    if (kind := sniff_source(opened)) in {"image", "audio"}:
        raise MediaError(not_a("video", kind))
    with open_container(opened) as container:
        if not container.streams.video:
            raise MediaError("it has no picture" if container.streams.audio else not_a("video", kind))
        stream = container.streams.video[0]
        check_pixels(stream.codec_context.width, stream.codec_context.height, limits)
        check_seconds((container.duration or 0) / av.time_base, limits)
        stream.thread_type = "NONE"  # one thread a clip: clips are decoded side by side
        return _sample(container, stream, frames, size, limits)


def middles(length: int, count: int) -> np.ndarray:
    """The positions, among `length`, of the middles of `count` equal spans."""
    return np.minimum(((np.arange(count) + 0.5) * length / count).astype(int), length - 1)


def _sample(container, stream, frames: int, size: tuple[int, int], limits: Limits) -> np.ndarray:
    """Decode in order and keep, scaled, the frames wanted.

    The number of frames is what the container says, else it is counted (from packets, decoding nothing). Where fewer
    come than were said, the clip ends early.
    """
    said = stream.frames
    if not said:
        said = sum(1 for packet in container.demux(stream) if packet.size)
        if not said:
            raise MediaError("it has no frames")
        container.seek(0)
    wanted = middles(said, frames)
    scaler = VideoReformatter()  # one for the clip: a frame's own rebuilds its tables each time
    height, width = size
    kept: dict[int, np.ndarray] = {}
    needed, last = set(wanted.tolist()), int(wanted[-1])
    index, error = -1, None
    try:
        for index, frame in enumerate(container.decode(stream)):
            if index in needed:
                check_pixels(frame.width, frame.height, limits)
                small = scaler.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA)
                kept[index] = small.to_ndarray().transpose(2, 0, 1)  # (3, H, W)
            if index >= last:
                break
    except (av.FFmpegError, ValueError) as fault:
        error = fault
    missing = needed - kept.keys()
    # Codecs may hold back or drop a frame or two at the end; more than that, and the clip is cut.
    if missing and (error is not None or not kept or said - (index + 1) > max(2, 0.05 * said)):
        raise MediaError("the file ends early" if kept or index >= 0 else "its picture is damaged") from error
    for place in missing:
        kept[place] = kept[max(kept)]
    return np.stack([kept[int(place)] for place in wanted])  # (frames, 3, H, W)
