"""Clips by what their compressed stream says of them: where blocks move, how many bytes frames take, some pictures."""

from collections.abc import Iterable
from typing import NamedTuple

import av
import numpy as np
from av.codec.context import Flags
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from sensorium.errors import MediaError
from sensorium.media.flow import coarse_flow
from sensorium.media.limits import LIMITS, Limits, check_pixels, open_bytes
from sensorium.media.video import VideoSource, open_video, read_frames, scaled
from sensorium.media.video_index import VideoIndex, ends, look

__all__ = ["Motion", "read_motion"]

# Whose vectors FFmpeg exports: not HEVC's.
CODECS = {"flv", "h263", "h264", "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v2", "wmv1", "wmv2"}
BLOCK = 16  # pixels of a macroblock's side
CHUNK = 20_000  # vectors summed at once


class Motion(NamedTuple):
    """What `read_motion` finds.

    field: (steps, 3, grid, grid) float32: motion to the right and down a frame, as shares of the width and height, and
        the share of the cell's area for which there is motion to be told.
    sizes: (steps,) float32: log(1 + 1000 * bytes a frame / pixels); 0 for an array.
    pictures: (pictures, 3, height, width) uint8.
    fallback: why the motion is estimated from frames; None where it is the stream's own.
    """

    field: np.ndarray
    sizes: np.ndarray
    pictures: np.ndarray
    fallback: str | None = None

    def packed(self) -> np.ndarray:
        """One row of float16 numbers: field, sizes, pictures from 0 to 1."""
        parts = (self.field, self.sizes, self.pictures.astype(np.float32) / 255)
        return np.concatenate([part.ravel() for part in parts]).astype(np.float16)


def read_motion(
    source: VideoSource, steps: int, grid: int, pictures: int, size: tuple[int, int], limits: Limits = LIMITS
) -> Motion:
    """The motion in a clip, in `steps` equal spans of time, and some of its pictures, turned as its header says.

    A P frame's vectors say where its blocks were in an earlier frame; turned round and divided by the number of frames
    since the last I or P frame, they are the motion in all of these frames. B frames' vectors are not used (their
    motion is in the next P frame's, too; FFmpeg gives zeros for MPEG-4's), so those that nothing refers to are not
    decoded. A stream doesn't tell which earlier frame a block refers to: where an encoder chose one before the last,
    the vector is too long by a whole factor. Vectors serve coding: flat areas may move as they like.

    Other codecs (HEVC, VP9, AV1, MJPEG), streams of I frames and arrays: `coarse_flow` between two frames at the middle
    of each span.

    Args:
        source: a path, a file's bytes, or an array (T, H, W, 3) or (T, 3, H, W).
        steps: spans of time.
        grid: cells along each side of the picture.
        pictures: I or P frames to keep, the first ones from the middles of as many spans on; 0: none.
        size: (height, width) of a picture in pixels.
        limits: checked before decoding.

    Raises:
        MediaError: with the reason, for whatever can't be read; a clip that ends early counts as broken.
    """
    if isinstance(source, np.ndarray):
        none = np.zeros(steps, dtype=np.float32)
        return _estimated(source, steps, grid, pictures, size, limits, none, "an array holds no motion vectors")
    source = open_bytes(source, limits)
    with open_video(source, limits) as (container, stream):
        index, packets = look(container, stream, limits)
        found = _Stream(stream.codec_context, index, grid)
        if packets:
            shown = found.decode(packets, pictures, size, limits)
    if not packets:  # too large to be kept in memory
        with open_video(source, limits) as (container, stream):
            found = _Stream(stream.codec_context, index, grid)
            shown = found.decode(container.demux(stream), pictures, size, limits)
    if found.moving:
        return Motion(found.field(steps), found.sizes(steps), shown)
    reason = f"no motion vectors can be had from {found.name}"
    if found.name in CODECS:
        reason = "each of its frames is coded by itself"
    return _estimated(source, steps, grid, pictures, size, limits, found.sizes(steps), reason)


class _Stream:
    """What comes of decoding a stream once: packets, counted from 0, and the I and P frames among them.

    A P frame at packet k and the B frames behind it, up to the next I or P frame at packet n, are shown in the places
    k to n - 1, the P frame last: what its vectors tell happened in these n - k frames.
    """

    def __init__(self, context: "av.VideoCodecContext", index: VideoIndex, grid: int):
        context.options = {"flags2": "+export_mvs", "skip_loop_filter": "all"}  # pictures suffer little: 40 dB and more
        context.flags |= Flags.copy_opaque
        context.skip_frame = "NONREF"
        self.context, self.index, self.grid, self.name = context, index, grid, context.name
        self.width, self.height, self.turns = context.width, context.height, 0
        self.across, self.down = -(-self.width // BLOCK), -(-self.height // BLOCK)
        self.bytes: list[int] = []  # of each packet
        self.places: list[int] = []  # of the I and P frames
        self.moving: list[int] = []  # which of them have vectors, and of those:
        self.moves: list[np.ndarray] = []  # area * motion (N, 2, grid, grid)
        self.areas: list[np.ndarray] = []  # the area that moves so, in pixels (N, grid, grid)
        self._waiting: list[np.ndarray] = []

    def decode(
        self, packets: "Iterable[av.Packet]", pictures: int, size: tuple[int, int], limits: Limits
    ) -> np.ndarray:
        """Go through the stream; returns the pictures (pictures, 3, H, W). Of a codec without vectors: its bytes alone."""
        if self.name not in CODECS:
            self.bytes = [packet.size for packet in packets if packet.size]
            return np.zeros((0, 3, *size), dtype=np.uint8)
        wanted = self.index.middles(pictures).tolist()
        kept: list[np.ndarray] = []
        scaler = VideoReformatter()  # one for the clip: a frame's own rebuilds its tables each time
        last, error = None, None
        try:
            for packet in packets:
                if packet.size:
                    packet.opaque = [len(self.bytes)]  # PyAV goes by identity, and equal small numbers are one object
                    self.bytes.append(packet.size)
                elif not ends(packet):
                    continue
                for frame in self.context.decode(packet if packet.size else None):
                    if frame.pict_type == PictureType.B:
                        continue
                    check_pixels(frame.width, frame.height, limits)
                    last = frame
                    self._add(frame)
                    while len(kept) < pictures and wanted[len(kept)] <= self.places[-1]:
                        kept.append(scaled(scaler, frame, size))
        except (av.FFmpegError, ValueError) as fault:
            if isinstance(fault, MediaError):
                raise
            error = fault
        # Codecs may hold back or drop a frame or two at the end; more than that, and the clip is cut.
        if last is None or self.index.length - len(self.bytes) > max(2, 0.05 * self.index.length):
            raise MediaError("its picture is damaged" if last is None else "the file ends early") from error
        self._sum()
        self.turns = round(last.rotation / 90) % 4  # to the left
        kept.extend(scaled(scaler, last, size) for _ in range(pictures - len(kept)))
        return np.stack(kept) if kept else np.zeros((0, 3, *size), dtype=np.uint8)

    def _add(self, frame: "av.VideoFrame") -> None:
        vectors = frame.side_data.get("MOTION_VECTORS")
        if vectors is not None:  # an I frame says nothing, which is not the same as no motion
            self.moving.append(len(self.places))
            self._waiting.append(vectors.to_ndarray().copy())  # a copy, since the array would keep the frame
            if sum(map(len, self._waiting)) > CHUNK:
                self._sum()
        self.places.append(frame.opaque[0])

    def _sum(self) -> None:
        """The frames waiting, from vectors to sums over blocks of 16 x 16 pixels, to means over cells."""
        if not self._waiting:
            return
        frames, blocks = len(self._waiting), self.down * self.across
        vectors = np.concatenate(self._waiting)
        area = vectors["w"] * vectors["h"].astype(np.float64)
        scale = -area / vectors["motion_scale"]  # from where it was to where it is
        # dst_x and dst_y are a block's middle; MPEG-4's may lie outside.
        row = (vectors["dst_y"] // BLOCK).clip(0, self.down - 1)
        column = (vectors["dst_x"] // BLOCK).clip(0, self.across - 1)
        frame = np.repeat(np.arange(frames), [len(some) for some in self._waiting])
        index = (frame * self.down + row) * self.across + column
        down, across = _cells(self.down, self.height, self.grid), _cells(self.across, self.width, self.grid)
        sums = [
            np.bincount(index, weights, frames * blocks).reshape(frames, self.down, self.across)
            for weights in (scale * vectors["motion_x"] / self.width, scale * vectors["motion_y"] / self.height, area)
        ]
        right, downward, area = ((down @ part @ across.T).astype(np.float32) for part in sums)  # (frames, grid, grid)
        self.moves.append(np.stack([right, downward], 1))
        self.areas.append(area)
        self._waiting = []

    @property
    def edges(self) -> np.ndarray:
        """When each packet's frame begins, and when the last one ends; in any unit."""
        times, count = self.index.times, len(self.bytes)
        return np.array(times if times and len(times) == count + 1 else range(count + 1))

    def field(self, steps: int) -> np.ndarray:
        """Motion's field: the mean over the frames of each step, where the area that moves is the weight."""
        marks = np.array([*self.places, len(self.bytes)])  # packets; a frame's motion happened between two of them
        times = self.edges[marks]
        frames = _shares(times, steps)[:, self.moving] * np.diff(marks)[self.moving]  # (steps, N)
        moves, areas = np.concatenate(self.moves), np.concatenate(self.areas)
        moved = np.tensordot(frames / np.diff(marks)[self.moving], moves, 1)  # (steps, 2, grid, grid)
        area = np.tensordot(frames, areas, 1)  # (steps, grid, grid)
        whole = frames.sum(1) * self.width * self.height / self.grid**2  # (steps,)
        moved /= np.maximum(area, 1e-6)[:, None]
        share = (area / np.maximum(whole, 1e-6)[:, None, None]).clip(0, 1)
        x, y = moved[:, 0], moved[:, 1]
        for _ in range(self.turns):  # what moved to the right moves up
            x, y, share = np.rot90(y, axes=(1, 2)), -np.rot90(x, axes=(1, 2)), np.rot90(share, axes=(1, 2))
        return np.stack([x, y, share], 1).astype(np.float32)

    def sizes(self, steps: int) -> np.ndarray:
        """Motion's sizes."""
        frames = _shares(self.edges, steps)  # (steps, packets)
        mean = frames @ np.array(self.bytes) / np.maximum(frames.sum(1), 1e-6)  # (steps,)
        return np.log1p(1000 / (self.width * self.height) * mean).astype(np.float32)


def _cells(blocks: int, length: int, grid: int) -> np.ndarray:
    """(grid, blocks): which share of each block lies in each cell of a side of so many pixels."""
    starts, bounds = np.arange(blocks) * BLOCK, np.linspace(0, length, grid + 1)[:, None]
    return (np.minimum(starts + BLOCK, bounds[1:]) - np.maximum(starts, bounds[:-1])).clip(0) / BLOCK


def _shares(edges: np.ndarray, parts: int) -> np.ndarray:
    """(parts, N): which share of each stretch between two edges lies in each of so many equal parts of the whole."""
    lengths = np.diff(edges)
    bounds = np.linspace(edges[0], edges[-1], parts + 1)[:, None]
    overlap = (np.minimum(edges[1:], bounds[1:]) - np.maximum(edges[:-1], bounds[:-1])).clip(0)
    return overlap / np.maximum(lengths, 1e-9)


def _estimated(
    source: VideoSource,
    steps: int,
    grid: int,
    pictures: int,
    size: tuple[int, int],
    limits: Limits,
    sizes: np.ndarray,
    reason: str,
) -> Motion:
    """As Motion, from pairs of frames of `size`."""

    def choose(index: VideoIndex) -> np.ndarray:
        last = index.length - 1
        first = np.minimum(index.middles(steps), max(0, last - 1))
        return np.concatenate([first, np.minimum(first + 1, last), index.middles(pictures)]).astype(int)

    frames = read_frames(source, choose, size, limits)
    grey = frames[: 2 * steps].mean(1, dtype=np.float32)  # (2 * steps, H, W)
    motion, known = coarse_flow(grey[:steps], grey[steps:], grid)
    return Motion(np.concatenate([motion, known[:, None]], 1), sizes, frames[2 * steps :], reason)
