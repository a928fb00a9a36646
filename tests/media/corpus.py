"""A folder of hostile media files, the same for the same seed.

    python tests/media/corpus.py FOLDER [SEED]

Files cut at every tenth, with flipped bits, with the wrong name, with headers that promise what isn't there, that grow
when they are unpacked, and things that are no files. Each case says as what it is to be read.
"""

import io
import os
import struct
import sys
import wave
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import soundfile
from make_media import moving, tone, write_clip, write_recording
from PIL import Image

KIND = {
    **dict.fromkeys(["png", "jpg", "gif", "webp", "tif", "bmp", "avif", "jp2", "tga", "ppm", "ico"], "image"),
    **dict.fromkeys(["wav", "flac", "ogg", "mp3", "m4a", "aiff", "opus"], "audio"),
    **dict.fromkeys(["mp4", "mkv", "webm", "mpg", "avi", "mov", "ts", "wmv", "flv"], "video"),
}
FLIPS = 9  # damaged copies of each file


class Case(NamedTuple):
    """A path, and the kind as which to decode it."""

    path: Path
    kind: str


def make_corpus(folder: Path, seed: int = 0) -> list[Case]:
    """Write the files and say which there are."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    good = {path.suffix[1:]: path.read_bytes() for path in good_files(folder / "good", random)}
    cases = [Case(folder / "good" / f"good.{suffix}", KIND[suffix]) for suffix in good]

    def add(name: str | bytes, content: bytes, *kinds: str) -> None:
        name = os.fsdecode(name)
        path = folder / name
        path.write_bytes(content)
        cases.extend(Case(path, kind) for kind in kinds or [KIND[name.rsplit(".", 1)[-1]]])

    for suffix, content in good.items():
        for tenth in range(1, 10):
            add(f"cut{tenth}.{suffix}", content[: max(1, len(content) * tenth // 10)])
        add(f"head.{suffix}", content[:16])
        for i in range(FLIPS):
            add(f"flip{i}.{suffix}", flipped(content, random, i))
        add(f"tail.{suffix}", content + random.bytes(500))
        add(f"hole.{suffix}", content[: len(content) // 2] + content[len(content) // 2 + 40 :])
        add(f"empty.{suffix}", b"")
        add(f"zeros.{suffix}", bytes(5000))
        add(f"random.{suffix}", random.bytes(5000))
    for wrong, suffix in (
        ("png", "wav"),
        ("wav", "png"),
        ("mp4", "jpg"),
        ("jpg", "mp4"),
        ("mp3", "mkv"),
        ("flac", "mp4"),
    ):
        add(f"really_{wrong}.{suffix}", good[wrong])  # as its name says
        add(f"named_{suffix}_is_{wrong}.bin", good[wrong], KIND[wrong])  # as its content is
    for suffix in ("png", "mp4", "flac"):
        add(f"every_kind.{suffix}", good[suffix], "image", "audio", "video")
    lies(add, good)
    bombs(add)
    long_ones(add)
    references(add, folder, good)
    odd_names(add, good)
    cases.extend(no_files(folder, good))
    return cases


def good_files(folder: Path, random: np.random.Generator) -> list[Path]:
    """One of each format."""
    folder.mkdir(exist_ok=True)
    image = Image.fromarray(moving(2, 48, 64, seed=int(random.integers(1000)))[1])
    for suffix in ("png", "jpg", "gif", "webp", "tif", "bmp", "avif", "jp2", "tga", "ppm", "ico"):
        image.save(folder / f"good.{suffix}")
    sound = tone(440, 0.4, 16000, 2)
    for suffix in ("wav", "flac", "mp3", "aiff"):
        soundfile.write(folder / f"good.{suffix}", sound, 16000)
    write_recording(folder / "good.ogg", sound, 16000, "vorbis", strict="-2")
    write_recording(folder / "good.m4a", sound, 16000, "aac")
    write_recording(folder / "good.opus", tone(440, 0.4, 48000, 1), 48000, "libopus")
    frames = moving(12, 32, 48)
    for suffix, codec, audio in (
        ("mp4", "libx264", "aac"),
        ("mkv", "libx264", "libopus"),
        ("webm", "libvpx-vp9", "libopus"),
        ("mpg", "mpeg1video", "mp2"),
        ("avi", "mpeg4", "libmp3lame"),
        ("mov", "mjpeg", None),
        ("ts", "mpeg2video", "mp2"),
        ("wmv", "wmv2", None),
        ("flv", "flv", None),
    ):
        options = {"mjpeg": {"pix_fmt": "yuvj420p"}, "libx264": {"x264-params": "mbtree=0"}}  # with it, x264 varies
        write_clip(folder / f"good.{suffix}", frames, codec, audio=audio, **options.get(codec, {}))
    return sorted(folder.iterdir())


def flipped(content: bytes, random: np.random.Generator, i: int) -> bytes:
    """Some bits turned over: a few anywhere, a few in the header, or every thousandth."""
    values = np.frombuffer(content, dtype=np.uint8).copy()
    end = len(values) if i % 3 else min(200, len(values))
    count = 3 if i % 3 < 2 else 3 + len(values) // 125
    places = random.integers(0, end, count)
    values[places] ^= (1 << random.integers(0, 8, count)).astype(np.uint8)
    return values.tobytes()


def replaced(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


def chunk(name: bytes, data: bytes) -> bytes:
    """Of a PNG file."""
    return struct.pack("!I", len(data)) + name + data + struct.pack("!I", zlib.crc32(name + data))


def png(width: int, height: int, rows: bytes, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zeros(megabytes: int) -> bytes:
    """So many, compressed to a thousandth."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(megabytes)) + packer.flush()


def lies(add, good: dict[str, bytes]) -> None:
    """Headers that say what isn't so."""
    add("gigapixel.png", png(40_000, 25_000, zlib.compress(bytes(1000))))
    add("at_the_limit.png", png(14_000, 14_000, zlib.compress(bytes(1000))))
    add("gigapixel.bmp", replaced(good["bmp"], 18, struct.pack("<ii", 40_000, 25_000)))
    add("negative.bmp", replaced(good["bmp"], 18, struct.pack("<ii", -40, -25)))
    add("large.gif", replaced(good["gif"], 6, struct.pack("<HH", 65_535, 65_535)))
    add("no_pixels.gif", replaced(good["gif"], 6, struct.pack("<HH", 0, 0)))
    add("large.ppm", b"P6 100000 100000 255\n" + bytes(100))
    add("near_the_limit.ppm", b"P6 14000 14000 255\n" + bytes(100))
    add("large.tga", replaced(good["tga"], 12, struct.pack("<HH", 65_535, 65_535)))
    add("large.ico", replaced(good["ico"], 14, struct.pack("<I", 2**31)))
    # JPEG: the size stands behind the marker of the frame.
    place = good["jpg"].index(b"\xff\xc0") + 5
    for height, width in ((65_500, 65_500), (14_000, 14_000), (0, 64), (1, 65_500)):
        add(f"says_{height}x{width}.jpg", replaced(good["jpg"], place, struct.pack("!HH", height, width)))
    # WebP: the canvas of an extended file.
    extended = b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4)
    add("large.webp", extended + struct.pack("<I", 16_382)[:3] + struct.pack("<I", 16_382)[:3] + good["webp"][12:])
    for width, height in ((100_000, 10_000), (2**31 - 1, 2**31 - 1), (14_000, 14_000)):
        add(f"says_{width}x{height}.tif", tiff(width, height))
    place = good["jp2"].index(b"\xff\x51") + 6
    add("large.jp2", replaced(good["jp2"], place, struct.pack("!II", 2**31, 2**31)))
    place = good["avif"].index(b"ispe") + 8
    add("large.avif", replaced(good["avif"], place, struct.pack("!II", 65_535, 65_535)))
    # Sound: ten hours, no channels, no rate, other formats.
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
    add("ten_hours_of_nothing.wav", replaced(file.getvalue(), 40, struct.pack("<I", 36_000 * 16_000)))
    for name, place, value in (
        ("channels", 22, 0),
        ("channels", 22, 65_535),
        ("rate", 24, 0),
        ("rate", 24, 255),
        ("bits", 34, 7),
    ):
        add(f"{name}_{value}.wav", replaced(good["wav"], place, struct.pack("<H", value)))
    add("rate_4294967295.wav", replaced(good["wav"], 24, struct.pack("<I", 2**32 - 1)))
    add("rate_1.wav", replaced(good["wav"], 24, struct.pack("<I", 1)))
    add("not_numbers.wav", nan_wave())
    # FLAC: 36 bits of samples behind rate and channels.
    add("all_samples.flac", replaced(good["flac"], 21, b"\xff\xff\xff\xff\xff"))
    add("wide.flac", replaced(good["flac"], 18, b"\xff\xff\xff"))
    # MP4: the length and the number of frames in the tables of the header.
    for suffix in ("mp4", "mov", "m4a"):
        content = good[suffix]
        for name, skip, lie in ((b"mvhd", 20, 2**31 - 1), (b"mdhd", 20, 2**31 - 1), (b"mvhd", 16, 0), (b"mdhd", 16, 1)):
            place = content.index(name) + skip
            add(f"{name.decode()}_{skip}.{suffix}", replaced(content, place, struct.pack("!I", lie)))
        for name in (b"stsz", b"stts", b"stsc", b"stco", b"stsd"):
            place = content.index(name) + 8
            for lie in (0, 1, 10_000_000, 2**32 - 1):
                add(f"{name.decode()}_{lie}.{suffix}", replaced(content, place, struct.pack("!I", lie)))
    for suffix in ("mp4", "mov"):
        content = good[suffix]
        place = content.index(b"stsd") + 8 + 4 + 8 + 24
        for width, height in ((65_535, 65_535), (0, 0), (14_000, 14_000)):
            add(f"says_{width}x{height}.{suffix}", replaced(content, place, struct.pack("!HH", width, height)))
    content = good["avi"]
    place = content.index(b"avih") + 8
    for name, skip in (("frames", 16), ("microseconds", 0), ("width", 32), ("height", 36)):
        for lie in (0, 2**31 - 1):
            add(f"{name}_{lie}.avi", replaced(content, place + skip, struct.pack("<I", lie)))
    place = content.index(b"strh") + 8
    for name, skip in (("scale", 20), ("rate", 24), ("length", 32)):
        for lie in (0, 2**31 - 1):
            add(f"stream_{name}_{lie}.avi", replaced(content, place + skip, struct.pack("<I", lie)))
    for suffix in ("mkv", "webm"):
        content = good[suffix]
        place = content.index(b"\x44\x89\x88") + 3  # Duration, a number of 8 bytes
        for lie in (1e18, -5.0, float("nan"), float("inf"), 1e-300):
            add(f"lasts_{lie}.{suffix}", replaced(content, place, struct.pack("!d", lie)))


def tiff(width: int, height: int) -> bytes:
    """One strip of little, of a size that is only said."""
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, 100),
    ]
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\x00" + struct.pack("<I", 108) + bytes(100) + table


def nan_wave() -> bytes:
    """Numbers of 32 bits with a point, none of which is one."""
    data = np.full(100, np.nan, dtype="<f4").tobytes()
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, 8000, 32_000, 4, 32) + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", len(head + data)) + head + data


def bombs(add) -> None:
    """A few kilobytes that become many megabytes."""
    row = zlib.compress(bytes(9 * 8))
    huge = zeros(300)
    add("ztxt.png", png(8, 8, row, chunk(b"zTXt", b"Comment\x00\x00" + huge)))
    add("itxt.png", png(8, 8, row, chunk(b"iTXt", b"Comment\x00\x01\x00\x00\x00" + huge)))
    add("iccp.png", png(8, 8, row, chunk(b"iCCP", b"profile\x00\x00" + huge)))
    small = zeros(1)
    add("many_ztxt.png", png(8, 8, row, *[chunk(b"zTXt", b"Comment\x00\x00" + small)] * 100))
    add("idat.png", png(8, 8, huge))
    packer, rows = zlib.compressobj(9), []
    for _ in range(13_000):
        rows.append(packer.compress(bytes(13_001)))
    add("black_169_megapixels.png", png(13_000, 13_000, b"".join(rows) + packer.flush()))
    frame = b"\x21\xf9\x04\x00\x00\x00\x00\x00\x2c" + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x02\x02\x4c\x01\x00"
    head = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6)
    add("many_frames.gif", head + frame * 50_000 + b";")
    wide = b"\x2c" + struct.pack("<HHHHB", 65_000, 65_000, 500, 500, 0) + b"\x02\x02\x4c\x01\x00"
    add("outside.gif", head + wide + b";")
    add("many_chunks.png", png(8, 8, row, *[chunk(b"tEXt", b"a\x00b")] * 50_000))


def long_ones(add) -> None:
    """Hours of silence, which pack well."""
    for form, subtype, hours in (("FLAC", "PCM_16", 3), ("FLAC", "PCM_16", 5), ("WAV", "PCM_U8", 0.5)):
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", 4000, 1, subtype, format=form) as writer:
            for _ in range(round(hours * 10)):
                writer.write(np.zeros(4000 * 360, dtype=np.int16))
        add(f"silence_{hours}_hours.{form.lower()}", file.getvalue())
    with TemporaryDirectory() as folder:
        path = write_recording(
            Path(folder) / "silence.ogg", np.zeros((8000 * 1200, 2), np.float32), 8000, "vorbis", strict="-2"
        )
        add("silence_20_minutes.ogg", path.read_bytes())


def references(add, folder: Path, good: dict[str, bytes]) -> None:
    """Texts that make FFmpeg open other files, or that Pillow would run."""
    target = folder / "good" / "good.mp4"
    lists = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "list.mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
        "page.svg": "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'></svg>",
        "page.html": "<html>404</html>",
        "words.txt": "a thousand words\n" * 100,
    }
    for name, text in lists.items():
        add(name, text.encode(), "image", "audio", "video")
        add(f"binary_{name}", text.encode() + bytes(600), "audio", "video")
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "EPS")
    add("program.eps", file.getvalue(), "image")
    add("archive.zip", b"PK\x03\x04" + good["png"], "image", "audio", "video")


def odd_names(add, good: dict[str, bytes]) -> None:
    names = [
        "with a space", " leading", "trailing ", "'single'", '"double"', "中文 文件", "🎬🎧", "new\nline", "tab\t", "-leading-dash",
        "--help", "100%", "%d%s%n", "a|b", "|cat", "a;b&c", "$HOME `id`", "~", "*?[a]", "back\\slash", "a:b", "http:__x", "x" * 240,
        "e\u0301", "\u202egpj", "#hash", "con", "{}", "@list",
    ]  # fmt: skip
    for i, name in enumerate(names):
        suffix = ("png", "wav", "mp4")[i % 3]
        add(f"{name}.{suffix}", good[suffix])
    for suffix in ("png", "wav", "mp4", "m4a"):
        add(b"not \xff utf-8 \xfe." + suffix.encode(), good[suffix])


def no_files(folder: Path, good: dict[str, bytes]) -> list[Case]:
    """Whatever a path can name that is no file."""
    cases = []
    for suffix in ("png", "wav", "mp4"):
        kind, made = KIND[suffix], {}
        for name in ("folder", "pipe", "loop", "dangling", "endless", "link", "locked", "socket"):
            made[name] = folder / f"{name}.{suffix}"
        made["folder"].mkdir()
        os.mkfifo(made["pipe"])
        made["loop"].symlink_to(made["loop"].name)
        made["dangling"].symlink_to("nowhere")
        made["endless"].symlink_to("/dev/zero")
        made["link"].symlink_to(f"good/good.{suffix}")
        made["locked"].write_bytes(good[suffix])
        made["locked"].chmod(0)
        made["socket"].symlink_to("/dev/null")
        paths = [*made.values(), folder / f"never was.{suffix}", folder / ("x" * 300 + f".{suffix}")]
        paths += [folder / f"good/good.{suffix}/below", Path(f"null\0byte.{suffix}"), Path(f"https://host/{suffix}")]
        cases.extend(Case(path, kind) for path in paths)
    return cases


if __name__ == "__main__":
    print(len(make_corpus(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)), "cases")
