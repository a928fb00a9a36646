"""Frames of clips: those that decoding in order gives, at the right times, with few of them decoded."""

from fractions import Fraction

import av
import numpy as np
import pytest
from make_media import decode_in_order, moving, write_clip

from sensorium.errors import MediaError
from sensorium.media import LIMITS, Limits, read_video, video, video_index
from sensorium.media.video import open_video, read_frames
from sensorium.media.video_index import look, middles

SIZE = (24, 32)
COUNT = 40
UNEVEN = np.random.default_rng(0).integers(10, 200, COUNT).cumsum().tolist()  # ms
X265 = "bframes=3:log-level=0:pools=none:frame-threads=1:keyint=9:min-keyint=9"
CLIPS = {
    "gops.mp4": {"g": "9", "bf": "3"},
    "one_gop.mp4": {"g": "300", "bf": "3"},
    "no_b.mp4": {"g": "9", "bf": "0"},
    "keys_only.mp4": {"g": "1"},
    "open_gops.mp4": {"x264-params": "keyint=9:min-keyint=9:open-gop=1:bframes=3:scenecut=0"},
    "no_key_but_the_first.mp4": {"x264-params": "keyint=9:intra-refresh=1:scenecut=0"},
    "gops.mkv": {"g": "9", "bf": "2", "audio": "libopus"},
    "gops.ts": {"g": "9", "bf": "2", "audio": "aac"},
    "no_times.avi": {"g": "9", "bf": "2"},
    "no_times.h264": {"g": "9", "bf": "2"},
    "uneven.mkv": {"g": "9", "bf": "2", "times": UNEVEN},
    "uneven.mp4": {"g": "9", "bf": "2", "times": UNEVEN},
    "hevc.mp4": {"codec": "libx265", "x265-params": f"{X265}:open-gop=0"},
    "hevc_open.mkv": {"codec": "libx265", "x265-params": f"{X265}:open-gop=1"},
    "mpeg4.avi": {"codec": "mpeg4", "g": "9", "bf": "2", "audio": "libmp3lame"},
    "mpeg4.mp4": {"codec": "mpeg4", "g": "9", "bf": "2"},
    "mpeg1.mpg": {"codec": "mpeg1video", "g": "9", "bf": "2", "audio": "mp2"},
    "mpeg2.mpg": {"codec": "mpeg2video", "g": "9", "bf": "2"},
    "vp8.webm": {"codec": "libvpx", "g": "9", "auto-alt-ref": "1", "lag-in-frames": "10", "audio": "libopus"},
    "vp9.webm": {"codec": "libvpx-vp9", "g": "9", "auto-alt-ref": "1", "lag-in-frames": "10"},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "flash.flv": {"codec": "flv", "g": "9"},
    "windows.wmv": {"codec": "wmv2", "g": "9"},
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Name -> path, frames decoded in order, their times, and when the last one ends."""
    folder, frames, made = tmp_path_factory.mktemp("clips"), moving(COUNT), {}

    def get(name):
        if name not in made:
            path = write_clip(folder / name, frames, **CLIPS[name])
            made[name] = (path, *decode_in_order(path, SIZE))
        return made[name]

    return get


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("keep", [True, False])
def test_frames_are_those_of_decoding_in_order(clips, name, keep, monkeypatch):
    path, frames, _, _ = clips(name)
    assert len(frames) == COUNT
    assert len(np.unique(np.stack(frames), axis=0)) == COUNT
    if not keep:
        monkeypatch.setattr(video_index, "KEEP", 100)  # bytes: the packets are read again
    for wanted in ([COUNT - 1], [0, 17, 18, 19, 37], [30, 5, 30], list(range(COUNT)), [8], [9], [10], [26]):
        got = read_frames(path, lambda index, wanted=wanted: np.array(wanted), SIZE)
        np.testing.assert_array_equal(got, np.stack([frames[i] for i in wanted]))


@pytest.mark.parametrize("name", CLIPS)
def test_each_span_of_time_shows_the_frame_at_its_middle(clips, name):
    path, frames, times, end = clips(name)
    for count in (1, 3, 16, 64):
        got = read_video(path, count, SIZE)
        if "no_times" in name:
            expected = middles(COUNT, count).tolist()
        else:
            # Flash and Windows files don't say how long the last frame is shown: as long as the others.
            end = end if end > times[-1] else times[-1] + (times[-1] - times[0]) // (COUNT - 1)
            length = Fraction(end - times[0])
            middle = [times[0] + length * (2 * i + 1) / (2 * count) for i in range(count)]
            expected = [max(k for k in range(COUNT) if times[k] <= t) for t in middle]
        np.testing.assert_array_equal(got, np.stack([frames[k] for k in expected]))


def test_even_frames_are_taken_evenly(clips):
    """A constant rate: the frames are those in the middles of equal runs of frames."""
    path, frames, _, _ = clips("gops.mp4")
    for count in (1, 4, 5, 16, 40, 100):
        expected = [frames[(2 * i + 1) * COUNT // (2 * count)] for i in range(count)]
        np.testing.assert_array_equal(read_video(path, count, SIZE), np.stack(expected))


def test_few_frames_are_decoded(clips, monkeypatch):
    """One frame of each of two GOPs costs two GOPs at most, not the clip."""
    decoded = []

    class Counting:
        def __init__(self, context):
            self.context = context

        def __setattr__(self, name, value):
            setattr(self.context, name, value) if name != "context" else super().__setattr__(name, value)

        def decode(self, packet):
            decoded.append(packet)
            return self.context.decode(packet)

        def flush_buffers(self):
            self.context.flush_buffers()

    pick = video._pick
    monkeypatch.setattr(video, "_pick", lambda context, *rest: pick(Counting(context), *rest))
    path, frames, _, _ = clips("gops.mp4")
    got = read_frames(path, lambda index: np.array([2, 29]), SIZE)
    np.testing.assert_array_equal(got, np.stack([frames[2], frames[29]]))
    assert 4 <= len(decoded) <= 2 * (9 + 4)  # a GOP, and what the decoder holds back


def test_bytes_and_names_are_read_alike(clips, tmp_path):
    for name in ("gops.mp4", "gops.mkv", "mpeg1.mpg", "mpeg4.avi", "vp9.webm", "gops.ts"):
        path = clips(name)[0]
        expected = read_video(path, 5, SIZE)
        np.testing.assert_array_equal(read_video(path.read_bytes(), 5, SIZE), expected)
        odd = tmp_path / f"- %d |'\" é 中 🎬\n{name}.txt"
        odd.write_bytes(path.read_bytes())
        np.testing.assert_array_equal(read_video(odd, 5, SIZE), expected)
    undecodable = tmp_path / b"\xff.mp4".decode("utf-8", "surrogateescape")
    undecodable.write_bytes(clips("gops.mp4")[0].read_bytes())
    np.testing.assert_array_equal(read_video(undecodable, 5, SIZE), read_video(clips("gops.mp4")[0], 5, SIZE))


@pytest.mark.parametrize(
    ("turns", "matrix"), [(0, (1, 0, 0, 1)), (1, (0, -1, 1, 0)), (2, (-1, 0, 0, -1)), (3, (0, 1, -1, 0))]
)
def test_a_clip_is_turned_as_its_header_says(tmp_path, turns, matrix):
    """As a telephone held upright writes it: `turns` quarters to the left."""
    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[:, :32] = 255  # bright on the left
    path = write_clip(tmp_path / "turned.mp4", [pixels] * 4)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40  # the matrix of the track's header, version 0
    for entry, value in zip((0, 1, 3, 4), matrix, strict=True):
        content[place + 4 * entry : place + 4 * entry + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    expected = np.rot90(pixels[::4, ::4], turns)
    got = read_video(path, 1, expected.shape[:2])[0].transpose(1, 2, 0)
    assert np.abs(got.astype(int) - expected).max() < 30


def test_colours_and_their_ranges(tmp_path):
    """Colours come back, whichever way they were coded."""
    from av.video.reformatter import Colorspace, VideoReformatter

    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[:, :32], pixels[:, 32:] = (200, 30, 60), (20, 220, 90)
    for space, code in ((Colorspace.ITU709, 1), (Colorspace.ITU601, 6)):
        for colour_range in (1, 2):  # 16..235, 0..255
            path = tmp_path / f"{code}{colour_range}.mp4"
            with av.open(str(path), "w") as container:
                stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
                stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
                stream.codec_context.colorspace, stream.codec_context.color_range = code, colour_range
                frame = VideoReformatter().reformat(
                    av.VideoFrame.from_ndarray(pixels),
                    format="yuv420p",
                    dst_colorspace=space,
                    dst_color_range=colour_range,
                )
                container.mux(stream.encode(frame))
                container.mux(stream.encode())
            got = read_video(path, 1, (8, 16))[0].transpose(1, 2, 0).astype(int)
            assert np.abs(got[:, 1:6] - (200, 30, 60)).max() <= 5
            assert np.abs(got[:, 10:15] - (20, 220, 90)).max() <= 5


def test_arrays():
    frames = np.stack(moving(7, 24, 32))
    np.testing.assert_array_equal(read_video(frames, 3, (24, 32)), frames[[1, 3, 5]].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(
        read_video(frames.transpose(0, 3, 1, 2), 1, (24, 32))[0], frames[3].transpose(2, 0, 1)
    )
    with pytest.raises(MediaError, match=r"a clip must be \(T, H, W, 3\) or \(T, 3, H, W\); got \(24, 32, 3\)"):
        read_video(frames[0], 1, (4, 4))


def test_a_single_frame_and_more_frames_than_there_are(tmp_path):
    path = write_clip(tmp_path / "one.mp4", moving(1))
    got = read_video(path, 5, SIZE)
    assert got.shape == (5, 3, *SIZE)
    assert (got == got[0]).all()


@pytest.mark.parametrize("name", ["gops.mp4", "gops.mkv", "mpeg4.avi", "vp9.webm"])
def test_a_clip_that_ends_early_is_broken(clips, tmp_path, name):
    content = clips(name)[0].read_bytes()
    if name.endswith("mp4"):  # with the table of its frames first, as for streaming
        path = write_clip(tmp_path / "first.mp4", moving(COUNT), container_options={"movflags": "faststart"}, g="9")
        content = path.read_bytes()
    for share in (0.5, 0.7):
        with pytest.raises(MediaError, match=r"the file ends early|its picture is damaged"):
            read_video(content[: int(share * len(content))], 4, SIZE)


def test_damage_where_no_frame_is_wanted_does_no_harm(clips):
    path, frames, _, _ = clips("gops.mp4")
    with open_video(path, LIMITS) as (container, stream):
        index, packets = look(container, stream, LIMITS)
        doomed = bytes(packets[20])  # of the third GOP
    assert index.starts[COUNT - 1] == 36
    content = path.read_bytes().replace(doomed, bytes(len(doomed)))
    np.testing.assert_array_equal(
        read_frames(content, lambda index: np.array([3, COUNT - 1]), SIZE), np.stack([frames[3], frames[COUNT - 1]])
    )


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_pixels=3071), r"64x48 pixels are over the limit of 3071"),
        (Limits(max_seconds=1), r"2 s are over the limit of 1 s"),
        (Limits(max_bytes=100), r"\d+ bytes are over the limit of 100"),
    ],
)
def test_limits(clips, limits, reason):
    for name in ("gops.mp4", "gops.mkv", "mpeg1.mpg"):
        with pytest.raises(MediaError, match=reason):
            read_video(clips(name)[0], 2, SIZE, limits)


def test_what_is_no_clip(tmp_path):
    from make_media import tone, write_recording
    from PIL import Image

    write_recording(tmp_path / "sound.m4a", tone(440, 0.5, 16000), 16000, "aac")
    write_recording(tmp_path / "sound.mkv", tone(440, 0.5, 16000), 16000, "aac")
    Image.new("RGB", (8, 8)).save(tmp_path / "still.gif")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    reasons = {
        "sound.m4a": r"it is not a video \(looks like audio\)",
        "sound.mkv": "it has no picture",
        "still.gif": r"it is not a video \(looks like image\)",
        "list.m3u8": r"it is not a media file \(looks like text\)",
    }
    for name, reason in reasons.items():
        with pytest.raises(MediaError, match=f"^{reason}$"):
            read_video(tmp_path / name, 2, SIZE)


def test_a_playlist_that_does_not_look_like_text_opens_nothing(clips, tmp_path):
    """FFmpeg knows lists by their first line: one with a zero byte after it would make it open what is listed."""
    clip = clips("gops.mp4")[0]
    for text in (f"ffconcat version 1.0\nfile '{clip}'\n", f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{clip}\n"):
        path = tmp_path / "list.bin"
        path.write_bytes(text.encode() + b"#" + bytes(600))
        with pytest.raises(MediaError, match="it is not a media file"):
            read_video(path, 2, SIZE)
