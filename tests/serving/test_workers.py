"""The threads and processes of a server, at its end."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from sensorium.serving.engine import Workers


@pytest.mark.parametrize("busy", [0, 1])
def test_work_that_waits_in_line_does_not_hold_up_the_end(busy):
    """Explanations that clients gave up on; the one at work is finished."""
    begun, go, ended = threading.Event(), threading.Event(), []

    def work():
        begun.set()
        return go.wait(30)

    threads = [ThreadPoolExecutor(1) for _ in range(2)]
    workers = Workers(SimpleNamespace(close=lambda: ended.append("decoders")), *threads)
    at_work, *waiting = [threads[busy].submit(work) for _ in range(3)]
    assert begun.wait(30)
    closing = threading.Thread(target=workers.close)
    closing.start()
    end = time.monotonic() + 30
    while not all(future.cancelled() for future in waiting):
        assert time.monotonic() < end, "what waits in line is still there"
        time.sleep(0.01)
    assert not ended
    go.set()
    closing.join(30)
    assert not closing.is_alive()
    assert ended == ["decoders"]
    assert at_work.result() is True
