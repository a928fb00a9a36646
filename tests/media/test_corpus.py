"""Every hostile file ends as an array or as a reason, and harms nothing else."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from corpus import make_corpus

from sensorium.data.batches import Rows
from sensorium.data.media_readers import AudioReader, ImageReader, VideoReader
from sensorium.data.problems import Problems
from sensorium.data.table import read_table
from sensorium.errors import MediaError
from sensorium.media import DecoderPool, probe
from sensorium.media.cache import MediaCache
from sensorium.media.loader import MediaLoader

OPTIONS = {
    "image": {"size": (16, 24)},
    "audio": {"sample_rate": 8000, "seconds": 2.0},
    "video": {"frames": 3, "size": (16, 24)},
}
MEMORY_MB = 900


def peak_mb(pid: int) -> float:
    """The most memory a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def check(case, decoded) -> None:
    values, notes = decoded
    if case.kind == "audio":
        assert values.dtype == np.float32
        assert values.ndim == 1
        assert 0 < len(values) <= 16000
        assert np.isfinite(values).all()
    else:
        assert values.dtype == np.uint8
        assert values.shape == ((3, 16, 24) if case.kind == "image" else (3, 3, 16, 24))
    assert all(kind == "cut" and "\n" not in reason for kind, reason in notes)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("first") / "corpus", seed=0)


@pytest.fixture(scope="module")
def outcomes(corpus):
    """What each case became: "read", or the reason why not; the peak of the processes' memory and what was idle."""
    found, good = {}, corpus[0]
    with DecoderPool(2, seconds=20, memory_mb=MEMORY_MB) as pool:
        pool.submit(good.kind, good.path, OPTIONS[good.kind]).result(60)
        idle = max(peak_mb(child.process.pid) for child in pool._crew.children)
        futures = [pool.submit(case.kind, str(case.path), OPTIONS[case.kind]) for case in corpus]
        for case, future in zip(corpus, futures, strict=True):
            try:
                check(case, future.result(100))
                found[case] = "read"
            except MediaError as error:
                found[case] = str(error)
        for child in pool._crew.children:
            assert peak_mb(child.process.pid) < idle + MEMORY_MB
        check(good, pool.submit(good.kind, good.path, OPTIONS[good.kind]).result(60))  # the pool is as it was
    return found


def test_every_case_ends_as_an_array_or_a_reason(corpus, outcomes):
    assert len(outcomes) == len(corpus) >= 500
    for case, what in outcomes.items():
        assert what, case
        assert what.isprintable(), case  # of one line, too
        assert str(case.path) not in what  # the caller says which file it is
    read = [case for case, what in outcomes.items() if what == "read"]
    assert 0.1 < len(read) / len(outcomes) < 0.9
    assert {case for case in corpus if case.path.match("good/good.*") and case not in read} == set()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gigapixel.png", "40000x25000 pixels are over the limit of 200000000"),
        ("gigapixel.bmp", "40000x25000 pixels are over the limit of 200000000"),
        ("large.ppm", "100000x100000 pixels are over the limit of 200000000"),
        ("says_100000x10000.tif", "100000x10000 pixels are over the limit of 200000000"),
        ("says_65500x65500.jpg", "65500x65500 pixels are over the limit of 200000000"),
        ("silence_5_hours.flac", "18000 s are over the limit of 14400 s"),
        ("ten_hours_of_nothing.wav", "36000 s are over the limit of 14400 s"),
        ("silence_3_hours.flac", "read"),
        ("silence_20_minutes.ogg", "read"),
        ("black_169_megapixels.png", "read"),
        ("not_numbers.wav", "it holds samples that are not finite"),
        ("empty.flac", "the file is empty"),
        ("pipe.png", "it is a pipe or a device, not a file"),
        ("endless.mp4", "it is a pipe or a device, not a file"),
        ("folder.wav", "it is a folder"),
        ("dangling.mp4", "no such file"),
        ("never was.png", "no such file"),
        ("loop.wav", "cannot open the file (Too many levels of symbolic links)"),
        ("null\0byte.png", "cannot open the file (embedded null byte)"),
        ("link.mp4", "read"),
        ("locked.png", "read" if os.geteuid() == 0 else "cannot open the file (Permission denied)"),
        ("named_png_is_wav.bin", "read"),
        ("named_mkv_is_mp3.bin", "read"),
        ("really_wav.png", "it is not an image (looks like audio)"),
        ("really_jpg.mp4", "it is not a video (looks like image)"),
        ("list.ffconcat", "it is not a media file (looks like text)"),
        ("binary_list.m3u8", "it is not a media file"),
        ("binary_list.ffconcat", "it is not a media file"),
        ("program.eps", "it is not an image"),
        ("-leading-dash.png", "read"),
        ("new\nline.wav", "read"),
        ("|cat.mp4", "read"),
        ("中文 文件.mp4", "read"),
        ("not \udcff utf-8 \udcfe.wav", "read"),
        ("not \udcff utf-8 \udcfe.m4a", "read"),
    ],
)
def test_reasons(outcomes, name, reason):
    lists = "list" in name  # those are asked for as an image, too, which has a reason of its own
    found = {what for case, what in outcomes.items() if case.path.name == name and not (lists and case.kind == "image")}
    assert found == {reason}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "wav", "aiff", "flac", "m4a", "mp4", "mov", "avi"])
def test_what_is_cut_in_the_middle_is_not_taken_for_whole(outcomes, suffix):
    found = {what for case, what in outcomes.items() if case.path.name == f"cut5.{suffix}"}
    assert len(found) == 1
    assert found != {"read"}
    assert "the file ends early" in str(found) or suffix == "flac"  # whose one frame has no end


def test_what_the_headers_say(corpus):
    """`probe` says what a file is, or why that can't be said."""
    probed = Counter()
    for case in corpus:
        try:
            probed[probe(case.path).kind] += 1
        except MediaError as error:
            probed[str(error)] += 1
    assert min(probed[kind] for kind in ("image", "audio", "video")) > 50
    assert all(reason.isprintable() for reason in probed)


def test_the_same_seed_gives_the_same_files(corpus, tmp_path):
    again = make_corpus(tmp_path / "corpus", seed=0)
    assert [case.path.name for case in again] == [case.path.name for case in corpus]
    compared = 0
    for old, new in zip(corpus, again, strict=True):
        if "list" in new.path.name or not os.path.isfile(new.path):
            continue  # lists name the folder
        assert new.path.read_bytes() == old.path.read_bytes(), new.path.name
        compared += 1
    assert compared > 800


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_in_a_table_each_case_is_read_or_listed_with_its_reason(corpus, outcomes, kind, tmp_path):
    readers = {
        "image": lambda: ImageReader("x", **OPTIONS["image"]),
        "audio": lambda: AudioReader("x", **OPTIONS["audio"]),
        "video": lambda: VideoReader("x", **OPTIONS["video"]),
    }
    cases = [case for case in corpus if case.kind == kind]
    table = read_table({"x": [[str(case.path)] for case in cases]})
    cache, problems = MediaCache(tmp_path, 10**9), Problems()
    with DecoderPool(2, seconds=20, memory_mb=MEMORY_MB) as pool:
        rows = Rows(table, {"x": readers[kind]()}, problems=problems, loader=MediaLoader(pool, cache))
        for _ in range(2):  # decoded, and from the cache
            there = np.concatenate([b.inputs["x"].mask.reshape(len(b.rows), -1).any(1) for b in rows.batches(32)])
            assert there.tolist() == [outcomes[case] == "read" for case in cases]
    cache.close()
    listed = {p.row: p.reason for p in problems.found if p.kind == "broken"}
    assert sorted(listed) == [row for row, case in enumerate(cases, 1) if outcomes[case] != "read"]
    for row, reason in listed.items():
        assert reason.endswith(f" as {kind}: {outcomes[cases[row - 1]]}")
