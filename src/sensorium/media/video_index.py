"""Which frames a clip has, and from where each of them can be decoded: told by its packets, nothing decoded."""

from bisect import bisect_right
from dataclasses import dataclass

import av
import numpy as np

from sensorium.errors import MediaError
from sensorium.media.limits import Limits, check_seconds

__all__ = ["VideoIndex", "ends", "look", "middles"]

KEEP = 64 * 1024**2  # bytes of compressed frames that are kept from the first look at a file for the second


def middles(length: int, count: int) -> np.ndarray:
    """The positions, among `length`, of the middles of `count` equal spans."""
    return np.minimum(((np.arange(count) + 0.5) * length / count).astype(int), length - 1)


@dataclass
class VideoIndex:
    """Which frames a clip has.

    Args:
        length: their number.
        times: when each is shown, and when the last one ends, in ticks of a clock; None where the file doesn't tell.
        starts: with times: for each frame, the packet, counted from 0, from where it can be decoded.
    """

    length: int
    times: list[int] | None = None
    starts: list[int] | None = None

    def middles(self, count: int) -> np.ndarray:
        """The frames shown at the middles of `count` equal spans of time."""
        if self.times is None:
            return middles(self.length, count)
        first, span = self.times[0], self.times[-1] - self.times[0]
        return np.array([self.at(first + (2 * i + 1) * span // (2 * count)) for i in range(count)])

    def at(self, time: int) -> int:
        """The frame shown at a time; the first one before all of them."""
        return max(0, bisect_right(self.times, time, 0, self.length) - 1)


def look(container, stream, limits: Limits) -> tuple[VideoIndex, list[av.Packet]]:
    """Go through a clip's packets, decoding nothing. They are returned, too, where they are few enough to be kept."""
    packets: list[av.Packet] = []
    times: list[int | None] = []  # when each frame is shown, in the order in which they are decoded
    durations: list[int] = []  # for how long, 0 where the file doesn't tell
    places: list[int] = []  # of their packets, counted from 0
    keys: list[int] = []  # which of the frames need no earlier one
    vp8 = stream.codec_context.name == "vp8"
    clocks = [float(some.time_base or 0) for some in container.streams]  # s, of a tick
    size, place, last, ordered, end = 0, -1, None, True, 0.0
    try:
        for packet in container.demux([stream, *container.streams.audio]):
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * clocks[packet.stream_index])
            if packet.stream_index != stream.index:
                continue
            size += packet.size
            if size <= KEEP:
                packets.append(packet)
            place += bool(packet.size)
            if not _shows(packet, vp8):
                continue
            if packet.is_keyframe:
                keys.append(len(times))
            if packet.dts is not None:
                ordered, last = ordered and (last is None or packet.dts > last), packet.dts
            times.append(packet.pts)
            places.append(place)
            durations.append(packet.duration or 0)
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        raise MediaError("the file ends early") from error
    if not (length := len(times)):
        raise MediaError("it has no frames")
    said, there = stream.frames, length
    if not said and container.duration:
        said, there = ((container.start_time or 0) + container.duration) / av.time_base * 25, end * 25
    if said - there > max(2, 0.05 * said):  # codecs may hold back or drop a frame or two at the end, no more
        raise MediaError("the file ends early")
    if size > KEEP:
        packets = []
    if not ordered or not keys or None in times or len(set(times)) < length:
        return VideoIndex(length), packets
    if container.format.name == "avi" and stream.codec_context.has_b_frames and times == sorted(times):
        # AVI files hold no times; where frames change places, FFmpeg's may be guesses, in the order of decoding.
        return VideoIndex(length), packets
    starts = []
    for frame in (order := sorted(range(length), key=times.__getitem__)):
        # One that is decoded after a key frame and shown before it needs what was before the key frame.
        key = bisect_right(keys, frame) - 1
        while key > 0 and times[keys[key]] > times[frame]:
            key -= 1
        starts.append(places[keys[max(0, key)]])
    shown = [times[frame] for frame in order]
    shown.append(shown[-1] + (durations[order[-1]] or (shown[-1] - shown[0]) // max(1, length - 1) or 1))
    check_seconds(float((shown[-1] - shown[0]) * stream.time_base), limits)
    return VideoIndex(length, shown, starts), packets


def _shows(packet: av.Packet, vp8: bool) -> bool:
    """Whether a frame is seen of it: not what an edit of the file hides, nor VP8's frames that are only referred to."""
    return bool(packet.size) and not packet.is_discard and not (vp8 and not bytes(packet)[0] & 0x10)


def ends(packet: av.Packet) -> bool:
    """Whether it is PyAV's last one, and not an empty one of the file, which stands for the frame before it."""
    return not packet.size and packet.pts is None and packet.dts is None
