"""Motion from the stream: textured pictures moved by known amounts, coded in several ways."""

import io
import struct

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from sensorium.errors import MediaError
from sensorium.media import Limits, read_motion, read_video

HEIGHT, WIDTH, FRAMES = 96, 128, 24
ONE_BACK = {"crf": "20", "refs": "1"}  # vectors refer to the frame before, so that they can be checked exactly
STREAMS = {  # codec, its options, container
    "h264": ("libx264", {**ONE_BACK, "bf": "0"}, "mp4"),
    "h264 with B frames": ("libx264", {**ONE_BACK, "x264-params": "bframes=3:b-adapt=0:b-pyramid=normal"}, "mp4"),
    "h264 in Matroska": ("libx264", {**ONE_BACK, "bf": "2"}, "matroska"),
    "bare h264": ("libx264", ONE_BACK, "h264"),
    "mpeg4": ("mpeg4", {"b": "2000k"}, "avi"),
    "mpeg4 with B frames": ("mpeg4", {"b": "2000k", "bf": "2"}, "mp4"),
    "mpeg2": ("mpeg2video", {"b": "2000k"}, "mpegts"),
    "mpeg1": ("mpeg1video", {"b": "2000k"}, "mpeg"),
    "flv": ("flv", {"b": "2000k"}, "flv"),
    "wmv": ("wmv2", {"b": "2000k"}, "asf"),
}
MOVES = [(4, 0), (-4, 0), (0, 2), (0, -2), (2, 1), (-2, -2)]  # pixels a frame to the right and down


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(0, 255, (height // 6 + 2, width // 6 + 2, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.BICUBIC))


def moving(dx: float, dy: float, frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """(frames, height, width, 3): a picture larger than the frame, of which all moves by (dx, dy) a frame."""
    wide = texture(height + 200, width + 200)
    places = [(100 - round(dy * t), 100 - round(dx * t)) for t in range(frames)]
    return np.stack([wide[y : y + height, x : x + width] for y, x in places])


def coded(frames: np.ndarray, codec: str, options: dict[str, str], container: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        out.mux(stream.encode())
    return file.getvalue()


def read(source, steps=6, grid=4, pictures=0, size=(48, 64)):
    return read_motion(source, steps, grid, pictures, size)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(("dx", "dy"), MOVES)
def test_the_field_points_where_things_move_to(stream, dx, dy):
    motion = read(coded(moving(dx, dy), *STREAMS[stream]))
    assert motion.fallback is None
    assert motion.field.shape == (6, 3, 4, 4)
    inside = np.median(motion.field[1:, :, 1:3, 1:3], axis=(0, 2, 3))  # at the edges, encoders find what they find
    np.testing.assert_allclose(inside, [dx / WIDTH, dy / HEIGHT, 1], rtol=0.03, atol=0.0003)


@pytest.mark.parametrize("bframes", ["0", "3"])
def test_vectors_into_older_frames_are_too_long_but_point_the_right_way(bframes):
    motion = read(coded(moving(3, -2), "libx264", {"crf": "23", "bf": bframes}, "mp4"))
    x, y = motion.field[:, :2].mean((0, 2, 3)) * [WIDTH, HEIGHT]
    assert np.degrees(np.arctan2(y, x)) == pytest.approx(np.degrees(np.arctan2(-2, 3)), abs=3)
    assert 0.9 * 13**0.5 < np.hypot(x, y) < 3 * 13**0.5


@pytest.mark.parametrize("stream", STREAMS)
def test_nothing_moves_in_a_static_clip(stream):
    motion = read(coded(moving(0, 0), *STREAMS[stream]))
    np.testing.assert_allclose(motion.field[1:, :2], 0, atol=1e-4)
    np.testing.assert_allclose(motion.field[1:, 2], 1)


@pytest.mark.parametrize("bframes", ["0", "2"])
def test_each_cell_has_its_own_motion(bframes):
    left, right = moving(2, 0, width=64), moving(0, -2, width=64)
    motion = read(coded(np.concatenate([left, right], axis=2), "libx264", {**ONE_BACK, "bf": bframes}, "mp4"))
    x, y = np.median(motion.field[1:, :2], axis=0) * np.array([WIDTH, HEIGHT])[:, None, None]
    np.testing.assert_allclose(x[1:3, [0, 3]], [[2, 0], [2, 0]], atol=0.1)
    np.testing.assert_allclose(y[1:3, [0, 3]], [[0, -2], [0, -2]], atol=0.1)


@pytest.mark.parametrize("bframes", ["0", "1"])
def test_each_step_has_its_own_motion(bframes):
    there = moving(2, 0, frames=13)
    clip = np.concatenate([there[:1].repeat(12, axis=0), there[1:]])  # still in 12 frames, moving in 12
    motion = read(coded(clip, "libx264", {**ONE_BACK, "bf": bframes}, "mp4"), steps=4)
    x = motion.field[:, 0, 1:3, 1:3].mean((1, 2)) * WIDTH
    np.testing.assert_allclose(x, [0, 0, 2, 2], atol=0.35)


@pytest.mark.parametrize(("turns", "matrix"), [(1, (0, -1, 1, 0)), (2, (-1, 0, 0, -1)), (3, (0, 1, -1, 0))])
def test_motion_turns_with_the_pictures(turns, matrix):
    """A header may say that a clip is to be shown turned, here by quarters to the left."""
    clip = np.concatenate([moving(2, 1, width=64), moving(0, 0, width=64)], axis=2)
    data = bytearray(coded(clip, *STREAMS["h264"]))
    place = data.index(b"tkhd") + 44
    a, b, c, d = (x << 16 for x in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    motion, plain = read(bytes(data), pictures=1, size=(48, 48)), read(coded(clip, *STREAMS["h264"]), pictures=1)
    shown = read(np.rot90(clip, turns, axes=(1, 2)), pictures=1, size=(48, 48))
    np.testing.assert_allclose(np.median(motion.field[1:], 0), np.median(shown.field[1:], 0), atol=0.006)
    assert not np.allclose(np.median(motion.field[1:], 0), np.median(plain.field[1:], 0), atol=0.006)
    assert np.abs(motion.pictures.astype(float) - shown.pictures).mean() < 20


def test_fewer_frames_than_steps():
    motion = read(coded(moving(2, 0, frames=4), *STREAMS["h264"]), steps=8)
    x = motion.field[:, 0, 1:3, 1:3].mean((1, 2)) * WIDTH
    np.testing.assert_allclose(
        x, [0, 0, 2, 2, 2, 2, 2, 2], atol=0.05
    )  # the first frame is 2 steps, and comes from nowhere
    assert (motion.field[:2] == 0).all()


def test_a_grid_finer_than_the_blocks_and_a_picture_of_odd_size():
    motion = read(coded(moving(2, 0, height=90, width=122), *STREAMS["h264"]), grid=11)
    assert motion.field[:, 2].max() <= 1
    np.testing.assert_allclose(np.median(motion.field[1:, 0, 3:8, 3:8]), 2 / 122, rtol=0.03)


def test_sizes_are_those_of_the_packets():
    data = coded(moving(2, 1), *STREAMS["h264"])
    with av.open(io.BytesIO(data)) as file:
        sizes = np.array([packet.size for packet in file.demux(video=0) if packet.size])
    assert len(sizes) == FRAMES
    for steps in (1, 6):
        mean = sizes.reshape(steps, -1).mean(1)
        np.testing.assert_allclose(read(data, steps).sizes, np.log(1 + 1000 * mean / (HEIGHT * WIDTH)), rtol=1e-5)


@pytest.mark.parametrize("stream", ["h264", "h264 with B frames", "mpeg4 with B frames"])
def test_pictures_are_spread_over_the_clip(stream):
    levels = np.linspace(20, 230, FRAMES)
    clip = np.broadcast_to(levels[:, None, None, None], (FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint8)
    motion = read(coded(clip, *STREAMS[stream]), pictures=3, size=(16, 24))
    assert motion.pictures.shape == (3, 3, 16, 24)
    assert motion.pictures.dtype == np.uint8
    shown = motion.pictures.mean((1, 2, 3))
    apart = levels[1] - levels[0]
    np.testing.assert_allclose(shown, levels[[4, 12, 20]], atol=4 * apart)  # the next I or P frame, up to 3 on
    assert (np.diff(shown) > 3 * apart).all()


def test_a_picture_is_the_frame_made_small():
    clip = moving(0, 0).mean(3, keepdims=True).astype(np.uint8).repeat(3, axis=3)
    (picture,) = read(coded(clip, *STREAMS["h264"]), pictures=1, size=(24, 32)).pictures
    small = clip[0].reshape(24, 4, 32, 4, 3).mean((1, 3)).transpose(2, 0, 1)
    assert np.abs(picture - small).mean() < 3


def test_no_pictures():
    assert read(coded(moving(2, 0), *STREAMS["h264"]), size=(24, 32)).pictures.shape == (0, 3, 24, 32)


OTHERS = {
    "no motion vectors can be had from vp9": ("libvpx-vp9", {"crf": "20", "b": "0"}, "webm"),
    "no motion vectors can be had from hevc": ("libx265", {"x265-params": "log-level=none"}, "mp4"),
    "each of its frames is coded by itself": ("libx264", {"crf": "20", "g": "1"}, "mp4"),
    "an array holds no motion vectors": None,
}


@pytest.mark.parametrize("reason", OTHERS)
@pytest.mark.parametrize(("dx", "dy"), MOVES)
def test_where_there_are_no_vectors_frames_are_compared(reason, dx, dy):
    clip = moving(dx, dy)
    motion = read(clip if OTHERS[reason] is None else coded(clip, *OTHERS[reason]), pictures=2)
    assert motion.fallback == reason
    inside = np.median(motion.field[:, :, 1:3, 1:3], axis=(0, 2, 3))
    np.testing.assert_allclose(inside, [dx / WIDTH, dy / HEIGHT, 1], rtol=0.15, atol=0.0015)
    assert motion.pictures.shape == (2, 3, 48, 64)
    assert (motion.sizes > 0).all() == (OTHERS[reason] is not None)


@pytest.mark.parametrize("data", [moving(0, 0, frames=1), coded(moving(0, 0, frames=1), *STREAMS["h264"])])
def test_one_frame_has_no_motion(data):
    motion = read(data, pictures=2)
    assert motion.field.shape == (6, 3, 4, 4)
    assert not motion.field[:, :2].any()
    assert (motion.pictures[0] == motion.pictures[1]).all()


def test_packed():
    motion = read(coded(moving(2, 1), *STREAMS["h264"]), pictures=2, size=(8, 16))
    row = motion.packed()
    assert row.dtype == np.float16
    assert row.shape == (6 * 3 * 16 + 6 + 2 * 3 * 8 * 16,)
    np.testing.assert_allclose(row[:288].reshape(6, 3, 4, 4), motion.field, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(row[288:294], motion.sizes, rtol=1e-3)
    np.testing.assert_allclose(row[294:].reshape(2, 3, 8, 16) * 255, motion.pictures, atol=0.1)


def test_clips_read_at_the_same_time_do_not_mix():
    """PyAV keeps what is tied to a packet in one place for all files."""
    files = [io.BytesIO(coded(moving(dx, 0, frames=12), *STREAMS["h264 with B frames"])) for dx in (2, -2)]
    alone = [read(file.getvalue()).field for file in files]
    containers = [av.open(file) for file in files]
    again = [read(file.getvalue()).field for file in files]
    for container in containers:
        container.close()
    assert all(np.array_equal(left, right) for left, right in zip(alone, again, strict=True))


@pytest.mark.parametrize("stream", ["h264 with B frames", "mpeg2"])
def test_a_file_too_large_to_be_kept_in_memory(stream, monkeypatch):
    data = coded(moving(2, 1), *STREAMS[stream])
    kept = read(data, pictures=2)
    monkeypatch.setattr("sensorium.media.video_index.KEEP", 100)  # bytes
    again = read(data, pictures=2)
    assert all(np.array_equal(left, right) for left, right in zip(kept[:3], again[:3], strict=True))


def test_many_vectors_are_summed_in_parts(monkeypatch):
    data = coded(moving(2, 1), *STREAMS["h264 with B frames"])
    whole = read(data)
    monkeypatch.setattr("sensorium.media.motion.CHUNK", 60)  # about one frame's
    np.testing.assert_allclose(read(data).field, whole.field, rtol=1e-5, atol=1e-7)


def test_a_clip_cut_short_is_broken():
    data = coded(moving(2, 1), "libx264", {"crf": "10", "movflags": "faststart"}, "mp4")
    with pytest.raises(MediaError, match="the file ends early"):
        read(data[: len(data) * 2 // 3])


def test_what_is_no_clip():
    file = io.BytesIO()
    soundfile.write(file, np.zeros(800), 8000, format="WAV")
    with pytest.raises(MediaError, match=r"it is not a video \(looks like audio\)"):
        read(file.getvalue())
    with pytest.raises(MediaError, match=r"a clip must be \(T, H, W, 3\) or \(T, 3, H, W\); got \(4, 5\)"):
        read(np.zeros((4, 5)))


def test_limits():
    data = coded(moving(2, 1), *STREAMS["h264"])
    with pytest.raises(MediaError, match="128x96 pixels are over the limit of 1000"):
        read_motion(data, 6, 4, 0, (48, 64), Limits(max_pixels=1000))


def test_frames_of_a_bare_stream_are_counted():
    """It says no number of frames, and can't be wound back once they are counted."""
    levels = np.linspace(20, 230, 12)
    clip = np.broadcast_to(levels[:, None, None, None], (12, 32, 32, 3)).astype(np.uint8)
    frames = read_video(coded(clip, *STREAMS["bare h264"]), 3, (8, 8))
    np.testing.assert_allclose(frames.mean((1, 2, 3)), levels[[2, 6, 10]], atol=4)
