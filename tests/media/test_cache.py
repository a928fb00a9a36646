"""The cache: what is put in comes out, under a key of content and options, bounded, whole after a kill."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from sensorium.errors import DataError
from sensorium.media.cache import MediaCache, Recipe, cache_folder, clear_cache, open_cache
from sensorium.media.decode import Decoded
from sensorium.media.limits import Limits

MB = 10**6


def value(seed: int, shape=(3, 40, 40), dtype=np.uint8) -> Decoded:
    return Decoded(np.random.default_rng(seed).integers(0, 200, shape).astype(dtype))


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.fixture
def cache(tmp_path):
    made = MediaCache(tmp_path / "cache", 100 * MB)
    yield made
    made.close()


@pytest.mark.parametrize(("shape", "dtype"), [((3, 4, 5), np.uint8), ((7001,), np.float32), ((2, 6), np.float16)])
def test_a_value_comes_out_as_it_went_in(cache, shape, dtype):
    given = Decoded(value(1, shape, dtype).values, (("cut", "the recording is longer than 3 s"),))
    cache.put({key(1): given})
    found = cache.get(key(1))
    np.testing.assert_array_equal(found.values, given.values)
    assert found.values.dtype == dtype
    assert found.notes == given.notes
    assert found.values.flags.writeable
    assert cache.get(key(2)) is None


def test_many_are_fetched_into_one_array(cache):
    given = {key(i): value(i) for i in range(5)}
    cache.put(given)
    out = np.full((4, 3, 40, 40), 255, dtype=np.uint8)
    assert cache.fetch([key(4), key(9), key(0), key(4)], out) == [1]
    for place, number in ((0, 4), (2, 0), (3, 4)):
        np.testing.assert_array_equal(out[place], given[key(number)].values)
    assert (out[1] == 255).all()


def test_the_key_is_of_content_and_of_every_option(cache, tmp_path):
    one, same, other = tmp_path / "one.png", tmp_path / "same.png", tmp_path / "other.png"
    one.write_bytes(b"content")
    same.write_bytes(b"content")
    other.write_bytes(b"CONTENT")
    recipe = Recipe("image", {"size": (8, 8)})
    assert cache.key(one, recipe) == cache.key(same, recipe) == cache.key(b"content", recipe)
    keys = {
        cache.key(one, recipe), cache.key(other, recipe), cache.key(one, Recipe("image", {"size": (8, 9)})),
        cache.key(one, Recipe("video", {"size": (8, 8)})), cache.key(one, Recipe("image", {"size": (8, 8), "x": 1})),
        cache.key(one, Recipe("image", {"size": (8, 8)}, Limits(max_pixels=5))),
    }  # fmt: skip
    assert len(keys) == 6
    assert Recipe("audio", {"a": 1, "b": 2}).digest == Recipe("audio", {"b": 2, "a": 1}).digest


def test_a_file_is_hashed_once_until_it_changes(cache, tmp_path, monkeypatch):
    path, recipe = tmp_path / "a.png", Recipe("image", {})
    path.write_bytes(b"first")
    long_ago = time.time() - 100
    os.utime(path, (long_ago, long_ago))
    monkeypatch.setattr("sensorium.media.cache.RACY", -100.0)  # its change of times is new, which nothing can date back
    first = cache.key(path, recipe)
    assert cache.summary()["files"] == 1
    with monkeypatch.context() as patched:
        patched.setattr("hashlib.file_digest", lambda *_: pytest.fail("it was read again"))
        assert cache.key(path, recipe) == first
    path.write_bytes(b"other")  # of the same length, with the old time stamp
    os.utime(path, (long_ago, long_ago))
    assert cache.key(path, recipe) != first


def test_a_file_that_may_change_within_its_time_stamp_is_not_remembered(cache, tmp_path):
    (tmp_path / "new").write_bytes(b"x")
    cache.digest(tmp_path / "new")
    assert cache.summary()["files"] == 0


def test_hashes_of_files_are_written_together_and_outlive_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("sensorium.media.cache.RACY", -100.0)
    monkeypatch.setattr("sensorium.media.cache.HASHES", 4)
    cache = MediaCache(tmp_path / "cache", MB)
    written = []
    write = cache._write
    monkeypatch.setattr(cache, "_write", lambda action: written.append(1) or write(action))
    paths = [tmp_path / str(number) for number in range(10)]
    for path in paths:
        path.write_bytes(path.name.encode())
    digests = [cache.digest(path) for path in paths]
    assert len(written) == 2
    assert cache.summary()["files"] == 10
    cache.put({key(1): value(1)})
    assert len(written) == 3
    (tmp_path / "more").write_bytes(b"more")
    cache.digest(tmp_path / "more")
    cache.close()
    again = MediaCache(tmp_path / "cache", MB)
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("it was read again"))
    assert again.summary()["files"] == 11
    assert [again.digest(path) for path in paths] == digests
    again.close()


def test_what_was_not_used_for_longest_goes(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("sensorium.media.cache.time.time", lambda: now[0])
    cache = MediaCache(tmp_path, 20 * 8192)  # each value takes two pages
    for number in range(20):
        now[0] += 1
        cache.put({key(number): value(number, (6000,))})
    assert cache.summary()["entries"] == 20
    assert cache.summary()["bytes"] == 20 * 8192
    now[0] += 1
    cache.get(key(0))
    cache.touch([key(1)])
    now[0] += 1
    cache.put({key(20): value(20, (6000,))})
    left = {number for number in range(21) if cache.get(key(number)) is not None}
    assert left == {0, 1, *range(5, 21)}  # 2, 3, 4 went, down to nine tenths
    assert cache.summary()["bytes"] == len(left) * 8192
    cache.close()
    again = MediaCache(tmp_path, 20 * 8192)
    assert again.summary()["entries"] == len(left)
    again.close()


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path):
    cache = MediaCache(tmp_path, 50_000)
    cache.put({key(1): value(1, (60_000,)), key(2): value(2, (100,))})
    assert cache.get(key(1)) is None
    assert cache.get(key(2)) is not None
    cache.close()


def test_damage_is_found_and_not_given_out(cache, tmp_path):
    cache.put({key(i): value(i) for i in range(3)})
    with cache.store.begin(write=True) as transaction:
        raw = bytearray(transaction.get(key(1), db=cache.values))
        raw[100] ^= 1
        transaction.put(key(1), bytes(raw), db=cache.values)
    assert cache.get(key(1)) is None
    before = cache.summary()["bytes"]
    assert cache.check() == [key(1).hex()]
    assert cache.check() == []
    assert cache.summary()["entries"] == 2
    assert cache.summary()["bytes"] < before


def test_clearing_deletes_the_store_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    (tmp_path / "mine.txt").write_text("mine")
    open_cache().put({key(1): value(1)})
    assert clear_cache() > 4800
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert clear_cache() == 0
    assert open_cache().get(key(1)) is None


def test_one_object_a_folder(tmp_path):
    assert open_cache(tmp_path, 5) is open_cache(tmp_path / "x" / "..", 7)
    assert open_cache(tmp_path, 9).size == 9


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"cannot use .*file.* as a cache: .*Set SENSORIUM_CACHE to another folder"):
        MediaCache(tmp_path / "file", MB)


WRITER = """
import sys, numpy as np
from pathlib import Path
from sensorium.media.cache import MediaCache
from sensorium.media.decode import Decoded
cache = MediaCache(Path(sys.argv[1]), int(sys.argv[3]))
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    put = {i.to_bytes(16, "big"): Decoded(np.full(5000, i % 251, np.uint8)) for i in range(number * 8, number * 8 + 8)}
    cache.put(put)
"""


def writer(folder, count: int, size: int) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", WRITER, folder, str(count), str(size)], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def end(process: subprocess.Popen) -> int:
    process.stdout.close()
    return process.wait()


def test_two_writers_at_once(tmp_path):
    processes = [writer(tmp_path, 60, 100 * MB) for _ in range(2)]
    assert [end(process) for process in processes] == [0, 0]
    cache = MediaCache(tmp_path, 100 * MB)
    assert cache.summary()["entries"] == 480
    assert cache.check() == []
    assert all((cache.get(key(i)).values == i % 251).all() for i in range(480))
    cache.close()


def test_a_kill_at_any_instant_leaves_whole_values(tmp_path):
    chance = random.Random(0)
    for _ in range(12):
        process = writer(tmp_path, 100_000, 2 * MB)  # so small that values go all the time
        time.sleep(chance.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        assert end(process) == -signal.SIGKILL
        cache = MediaCache(tmp_path, 2 * MB)
        assert cache.check() == []
        summary = cache.summary()
        assert 0 < summary["entries"]
        assert summary["bytes"] <= 2 * MB
        with cache.store.begin() as transaction:
            assert int(transaction.get(b"total", db=cache.state)) == summary["bytes"]
            assert transaction.stat(cache.values)["entries"] == summary["entries"]
        cache.close()


FULL = """
import resource, signal, sys, numpy as np
from pathlib import Path
from sensorium.media.cache import MediaCache
from sensorium.media.decode import Decoded
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
cache = MediaCache(Path(sys.argv[1]), 10**9)
for i in range(100):
    cache.put({i.to_bytes(16, "big"): Decoded(np.full(20_000, i, np.uint8))})
print(cache.failure is None, cache.get((0).to_bytes(16, "big")).values.sum(), cache.check())
"""


def test_a_full_disk_ends_the_keeping_and_nothing_else(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True)
    assert done.stdout.strip() == "False 0 []", done.stderr
