"""Clips: bytes to frames, evenly spaced in time."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from sensorium.errors import MediaError
from sensorium.media.image import read_image
from sensorium.media.limits import LIMITS, Limits, check_pixels, check_seconds, open_bytes
from sensorium.media.probe import DAMAGED, not_a, open_container, sniff_source
from sensorium.media.video_index import VideoIndex, ends, look

__all__ = ["open_video", "read_frames", "read_video", "scaled"]

VideoSource = str | os.PathLike[str] | bytes | np.ndarray


def read_video(source: VideoSource, frames: int, size: tuple[int, int], limits: Limits = LIMITS) -> np.ndarray:
    """A clip as uint8 (frames, 3, height, width): the frame shown at the middle of each of `frames` equal spans of time.

    A clip of fewer frames shows some of them twice. The clip is turned as its header says.

    Args:
        source: a path, a file's bytes, or an array (T, H, W, 3) or (T, 3, H, W).
        frames: how many.
        size: (height, width) in pixels.
        limits: checked before decoding.

    Raises:
        MediaError: with the reason, for whatever can't be read; a clip that ends early counts as broken.
    """
    return read_frames(source, lambda index: index.middles(frames), size, limits)


def read_frames(
    source: VideoSource, choose: Callable[[VideoIndex], np.ndarray], size: tuple[int, int], limits: Limits = LIMITS
) -> np.ndarray:
    """Some frames of a clip, as `read_video`: those at the places that `choose` gives for what the clip has."""
    if isinstance(source, np.ndarray):
        if source.ndim != 4 or not len(source):
            raise MediaError(f"a clip must be (T, H, W, 3) or (T, 3, H, W); got {tuple(source.shape)}")
        return np.stack([read_image(source[i], size, limits) for i in choose(VideoIndex(len(source)))])
    source = open_bytes(source, limits)
    with open_video(source, limits) as (container, stream):
        index, packets = look(container, stream, limits)
        wanted = choose(index).tolist()
        kept = _pick(stream.codec_context, packets, index, wanted, size, limits) if packets and index.times else {}
    if not packets and index.times:  # too large to be kept in memory
        with open_video(source, limits) as (container, stream):
            kept = _pick(stream.codec_context, container.demux(stream), index, wanted, size, limits)
    if not kept.keys() >= set(wanted):
        with open_video(source, limits) as (container, stream):
            kept = _walk(stream.codec_context, container.demux(stream), index, wanted, size, limits)
    return np.stack([kept[place] for place in wanted])  # (frames, 3, H, W)


@contextmanager
def open_video(source: VideoSource, limits: Limits) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    """A clip's container and its first picture stream, within the limits, to be decoded in one thread."""
    opened = open_bytes(source, limits)
    if (kind := sniff_source(opened)) in {"image", "audio"}:
        raise MediaError(not_a("video", kind))
    with open_container(opened) as container:
        if not container.streams.video:
            raise MediaError(
                "it has no picture" if container.streams.audio else DAMAGED if kind else not_a("video", kind)
            )
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise MediaError("there is no decoder for its picture")
        check_pixels(stream.codec_context.width, stream.codec_context.height, limits)
        check_seconds((container.duration or 0) / av.time_base, limits)
        stream.thread_type = "NONE"  # one thread a clip: clips are decoded side by side
        yield container, stream


def _pick(context, packets, index: VideoIndex, wanted: list[int], size: tuple[int, int], limits: Limits) -> dict:
    """Frames by place, decoded from the key frame before each, and without those that no other one needs.

    What can't be had in this way is left out.
    """
    scaler = VideoReformatter()  # one for the clip: a frame's own rebuilds its tables each time
    left = {index.times[place]: place for place in sorted(set(wanted))}  # by time, in this order
    kept: dict[int, np.ndarray] = {}
    number, begun = -1, False
    try:
        for packet in packets:
            if packet.size:
                number += 1
                if number < index.starts[next(iter(left.values()))]:
                    if begun:
                        context.flush_buffers()
                    begun = False
                    continue
                begun = True
            elif not ends(packet):
                continue
            context.skip_frame = "DEFAULT" if packet.pts in left else "NONREF"
            for frame in context.decode(packet if packet.size else None):
                if frame.pts in left:
                    check_pixels(frame.width, frame.height, limits)
                    kept[left.pop(frame.pts)] = scaled(scaler, frame, size)
            if not left:
                break
    except (av.FFmpegError, ValueError) as fault:
        if isinstance(fault, MediaError | MemoryError):
            raise
    return kept


def _walk(context, packets, index: VideoIndex, wanted: list[int], size: tuple[int, int], limits: Limits) -> dict:
    """Frames by place, all decoded from the first one on. Where one is missing, the one before it is still shown."""
    scaler = VideoReformatter()
    left = sorted(set(wanted))
    kept: dict[int, np.ndarray] = {}
    place, before, error = -1, None, None
    try:
        for packet in packets:
            if not packet.size and not ends(packet):
                continue
            for frame in context.decode(packet if packet.size else None):
                place = index.at(frame.pts) if index.times and frame.pts is not None else place + 1
                check_pixels(frame.width, frame.height, limits)
                while left and left[0] <= place:
                    kept[left[0]] = scaled(scaler, frame if left[0] == place or before is None else before, size)
                    left.pop(0)
                before = frame
            if not left:
                break
    except (av.FFmpegError, ValueError) as fault:
        if isinstance(fault, MediaError | MemoryError):
            raise
        error = fault
    if left and (error is not None or before is None or index.length - 1 - place > max(2, 0.05 * index.length)):
        raise MediaError("its picture is damaged" if before is None else "the file ends early") from error
    for place in left:
        kept[place] = scaled(scaler, before, size)
    return kept


def scaled(scaler: VideoReformatter, frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """A frame as uint8 (3, height, width), turned as its header says."""
    height, width = size
    turns = round(frame.rotation / 90) % 4  # to the left
    if turns % 2:
        height, width = width, height
    small = scaler.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA).to_ndarray()
    return np.ascontiguousarray(np.rot90(small, turns).transpose(2, 0, 1))  # (3, H, W)
