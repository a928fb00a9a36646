"""The pool of decoding processes: same answers as here, and a bad file costs itself alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from sensorium.errors import ConfigError, MediaError
from sensorium.media import Limits
from sensorium.media.decode import decode
from sensorium.media.pool import DecoderLost, DecoderPool

HERE = Path(__file__).parent
WAIT = 60  # s; a test fails rather than wait for ever


@pytest.fixture
def make_pool():
    """A pool whose processes know the kinds of bad_kinds.py."""
    pools = []

    def make(workers=1, **settings):
        pools.append(DecoderPool(workers, preload=["bad_kinds"], **settings))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def echo(pool, value=0):
    return pool.submit("echo", np.array([value]), {})


def pid_of(decoded) -> int:
    return int(dict(decoded.notes)["pid"])


def ended(pid: int) -> bool:
    """Whether a process is gone; a zombie that the machine's init has not reaped is."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_ended(pid: int) -> bool:
    until = time.monotonic() + WAIT
    while not ended(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return ended(pid)


def run_script(body: str, **settings) -> subprocess.Popen:
    """A program with a pool of its own."""
    head = (
        "import os, signal, sys, time\nimport numpy as np\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "from sensorium.media.pool import DecoderPool\n"
        "pool = DecoderPool(2, preload=['bad_kinds'])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + body], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
    )


def test_answers_are_those_of_this_process(tmp_path):
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(tmp_path / "a picture.jpg")
    soundfile.write(tmp_path / "sound.flac", random.uniform(-1, 1, 5000), 8000)
    frames = random.integers(0, 256, (6, 20, 20, 3), dtype=np.uint8)
    cases = [
        ("image", tmp_path / "a picture.jpg", {"size": (16, 24)}),
        ("image", (tmp_path / "a picture.jpg").read_bytes(), {"size": (16, 24)}),
        ("image", Image.fromarray(random.integers(0, 256, (9, 7), dtype=np.uint8)), {"size": (16, 24)}),
        ("audio", str(tmp_path / "sound.flac"), {"sample_rate": 16000, "seconds": 0.25}),
        ("audio", (random.uniform(-1, 1, (3000, 2)), 8000.0), {"sample_rate": 8000, "seconds": None}),
        ("video", frames, {"frames": 3, "size": (8, 8)}),
    ]
    with DecoderPool(2) as pool:
        futures = [pool.submit(*case) for case in cases]
        for case, future in zip(cases, futures, strict=True):
            there, here = future.result(WAIT), decode(*case)
            np.testing.assert_array_equal(there.values, here.values)
            assert there.values.dtype == here.values.dtype
            assert there.notes == here.notes
        assert futures[3].result().notes == (("cut", "the recording is longer than 0.25 s"),)


def test_a_relative_path_is_of_the_folder_of_the_call(tmp_path, monkeypatch):
    with DecoderPool(1) as pool:
        for level, name in enumerate(("one", "two")):
            (tmp_path / name).mkdir()
            Image.new("L", (4, 4), level).save(tmp_path / name / "same.png")
            monkeypatch.chdir(tmp_path / name)
            assert (pool.submit("image", "same.png", {"size": (4, 4)}).result(WAIT).values == level).all()


def test_errors_keep_their_kind_and_reason(tmp_path, make_pool):
    pool = make_pool()
    with pytest.raises(MediaError, match=r"^no such file$") as caught:
        pool.submit("image", tmp_path / "none.png", {"size": (4, 4)}).result(WAIT)
    assert type(caught.value) is MediaError
    Image.new("L", (20, 30)).save(tmp_path / "large.png")
    with pytest.raises(MediaError, match="20x30 pixels are over the limit of 599"):
        pool.submit("image", tmp_path / "large.png", {"size": (4, 4)}, Limits(max_pixels=599)).result(WAIT)
    with pytest.raises(ConfigError, match=r"unknown kind of media 'imgae'\. Did you mean 'image'"):
        pool.submit("imgae", b"", {}).result(WAIT)
    with pytest.raises(KeyError, match="a fault of the program") as caught:
        pool.submit("fault", b"", {}).result(WAIT)
    assert "bad_kinds.py" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="an odd fault"):
        pool.submit("odd_fault", b"", {}).result(WAIT)


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("die", {"signal": signal.SIGSEGV}, r"the decoder crashed \(signal 11\)"),
        ("die", {"signal": signal.SIGABRT}, r"the decoder crashed \(signal 6\)"),
        (
            "die",
            {"signal": signal.SIGKILL},
            r"the decoder was killed \(signal 9\): it may need more memory than 100 MB",
        ),
        ("leave", {"code": 3}, r"the decoder ended \(exit code 3\)"),
        ("hang", {}, r"decoding took longer than 1 s"),
        ("eat", {}, r"decoding needs more memory than 100 MB"),
    ],
)
def test_a_bad_file_costs_itself_alone(make_pool, kind, options, reason):
    pool = make_pool(2 if kind == "hang" else 1, seconds=1, memory_mb=100)
    before = [echo(pool, i) for i in range(5)]
    bad = pool.submit(kind, b"", options)
    after = [echo(pool, i) for i in range(5)]
    worse = pool.submit(kind, b"", options)
    with pytest.raises(DecoderLost, match=f"^{reason}"):
        bad.result(WAIT)
    with pytest.raises(DecoderLost, match=f"^{reason}"):
        worse.result(WAIT)
    assert [int(future.result(WAIT).values[0]) for future in before + after] == [*range(5), *range(5)]
    assert echo(pool, 7).result(WAIT).values == [7]


def test_memory_is_given_anew_to_each_file(make_pool):
    """What is held by one file is not counted against the next one."""
    pool = make_pool(memory_mb=100)
    big = np.ones(40 << 20, dtype=np.uint8)
    for _ in range(5):
        assert pool.submit("echo", big, {}).result(WAIT).values.nbytes == 40 << 20


def test_a_request_that_is_too_large_for_a_process(make_pool):
    pool = make_pool(memory_mb=100)
    futures = [echo(pool, 1), pool.submit("echo", np.zeros(300 << 20, np.uint8), {}), echo(pool, 2)]
    with pytest.raises(DecoderLost, match="decoding needs more memory than 100 MB"):
        futures[1].result(WAIT)
    assert [int(futures[i].result(WAIT).values[0]) for i in (0, 2)] == [1, 2]


def test_a_file_is_not_blamed_for_what_an_earlier_one_left(make_pool):
    pool = make_pool()
    poison = pool.submit("poison", b"", {})
    fragile = [pool.submit("fragile", b"", {}) for _ in range(3)]
    assert poison.result(WAIT).values == [0]
    assert [int(future.result(WAIT).values[0]) for future in fragile] == [1, 1, 1]


def test_processes_start_when_needed_and_work_side_by_side(make_pool, tmp_path):
    pool = make_pool(2)
    assert not pool._crew.children
    first = pid_of(echo(pool).result(WAIT))
    assert pid_of(echo(pool).result(WAIT)) == first  # one is enough for one file at a time
    ours, theirs = str(tmp_path / "a"), str(tmp_path / "b")
    # Each ends only when the other has begun.
    met = [pool.submit("meet", b"", {"names": names}) for names in ((ours, theirs), (theirs, ours))]
    assert [int(future.result(WAIT).values[0]) for future in met] == [1, 1]
    assert len(pool._crew.children) == 2


def test_large_things_both_ways(make_pool):
    """Requests and answers far beyond what a socket holds, several at once."""
    pool = make_pool(2)
    arrays = [np.random.default_rng(i).integers(0, 256, (3 + i, 1 << 20), dtype=np.uint8) for i in range(4)]
    futures = [pool.submit("echo", array, {}) for array in arrays for _ in range(3)]
    for i, future in enumerate(futures):
        np.testing.assert_array_equal(future.result(WAIT).values, arrays[i // 3])
    values = pool.submit("echo", np.arange(100.0)[::2], {}).result(WAIT).values  # not contiguous
    np.testing.assert_array_equal(values, np.arange(0, 100, 2.0))
    assert values.flags.writeable
    assert values.flags.aligned


def test_threads_share_a_pool(make_pool):
    pool = make_pool(2)
    got = {}

    def ask(number):
        futures = [echo(pool, 1000 * number + i) for i in range(50)]
        got[number] = [int(future.result(WAIT).values[0]) for future in futures]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert got == {number: [1000 * number + i for i in range(50)] for number in range(4)}


def test_closing(make_pool):
    pool = make_pool()
    pid = pid_of(echo(pool).result(WAIT))
    running = pool.submit("hang", b"", {})
    waiting = [echo(pool) for _ in range(5)]
    while not running.running():
        time.sleep(0.01)
    pool.close()
    pool.close()
    assert ended(pid)
    with pytest.raises(DecoderLost, match="the pool of decoders was closed"):
        running.result(WAIT)
    for future in waiting:
        with pytest.raises((CancelledError, DecoderLost)):
            future.result(WAIT)
    with pytest.raises(RuntimeError, match="the pool of decoders is closed"):
        echo(pool)


def test_a_cancelled_file_is_not_decoded(make_pool):
    pool = make_pool()
    echo(pool).result(WAIT)
    slow = pool.submit("slow", b"", {"seconds": 0.3})
    futures = [echo(pool, i) for i in range(6)]
    cancelled = [future.cancel() for future in futures]
    slow.result(WAIT)
    assert any(cancelled)
    last = echo(pool).result(WAIT)
    assert int(dict(last.notes)["seen"]) == 2 + cancelled.count(False)


def test_dropping_the_pool_ends_its_processes():
    pool = DecoderPool(1, preload=["bad_kinds"])
    pid = pid_of(echo(pool).result(WAIT))
    del pool
    assert wait_ended(pid)


def test_processes_that_cannot_start_are_an_error(tmp_path, capfd):
    with DecoderPool(1, preload=["no_such_module"]) as pool:
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"a decoding process did not start \(exit code 1\)"):
                pool.submit("image", tmp_path, {"size": (4, 4)}).result(WAIT)
    assert "no_such_module" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["workers", "seconds", "memory_mb"])
def test_settings_must_be_above_0(name):
    with pytest.raises(ValueError, match=f"{name} must be above 0; got 0"):
        DecoderPool(**{"workers": 1, name: 0})


def test_a_program_that_ends_leaves_no_process():
    body = "print(dict(pool.submit('echo', np.zeros(1), {}).result().notes)['pid'])\npool.submit('hang', b'', {})\n"
    with run_script(body) as script:
        out, err = script.communicate(timeout=WAIT)
        assert (script.returncode, err) == (0, "")
    assert wait_ended(int(out))


def test_a_program_that_is_killed_leaves_no_process():
    body = (
        "print(dict(pool.submit('echo', np.zeros(1), {}).result().notes)['pid'], flush=True)\n"
        "bad = pool.submit('hang', b'', {})\n"
        "while not bad.running(): time.sleep(0.01)\n"
        "time.sleep(0.5)\nprint('hangs', flush=True)\nbad.result()\n"
    )
    with run_script(body) as script:
        pid = int(script.stdout.readline())
        assert script.stdout.readline() == "hangs\n"
        assert not ended(pid)
        script.kill()
    assert wait_ended(pid)


def test_an_interrupt_is_for_the_program_alone():
    body = (
        "print(dict(pool.submit('echo', np.zeros(1), {}).result().notes)['pid'], flush=True)\n"
        "try:\n    pool.submit('slow', b'', {'seconds': 50}).result()\n"
        "except KeyboardInterrupt:\n"
        "    print(int(pool.submit('echo', np.ones(1), {}).result().values[0]))\n"
    )
    with run_script(body, start_new_session=True) as script:
        pid = int(script.stdout.readline())
        time.sleep(0.2)
        os.killpg(script.pid, signal.SIGINT)
        out, err = script.communicate(timeout=WAIT)
        assert (script.returncode, out, err) == (0, "1\n", "")
    assert wait_ended(pid)


def test_a_fork_has_processes_of_its_own():
    body = (
        "mine = dict(pool.submit('echo', np.zeros(1), {}).result().notes)['pid']\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    pid = dict(pool.submit('echo', np.zeros(1), {}).result().notes)['pid']\n"
        "    pool.close()\n"
        "    os._exit(0 if pid != mine else 1)\n"
        "print(os.waitpid(child, 0)[1], dict(pool.submit('echo', np.zeros(1), {}).result().notes)['pid'] == mine)\n"
    )
    with run_script(body) as script:
        out, _ = script.communicate(timeout=WAIT)
        assert (script.returncode, out) == (0, "0 True\n")


def test_no_torch_in_a_decoding_process():
    code = "import sys, sensorium.media, sensorium.media.worker, sensorium.media.pool; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
