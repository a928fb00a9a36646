"""SIGTERM and SIGINT: heard at once or at a good moment, and the caller's handlers are back afterwards."""

import signal
import threading

import pytest

from sensorium.stopping import Signalled, Stopped, postponed, stoppable

TERM, INT = signal.SIGTERM, signal.SIGINT


def ended_by(body):
    """The error that ends a function within `stoppable`."""
    try:
        with stoppable():
            body()
    except (Stopped, KeyboardInterrupt) as error:
        return error
    return None


def test_a_signal_ends_what_is_done_at_once():
    reached = []

    def body(number):
        signal.raise_signal(number)
        reached.append("after it")

    stopped = ended_by(lambda: body(TERM))
    assert isinstance(stopped, Stopped)
    assert stopped.code == 143
    assert signal.getsignal(TERM) == signal.SIG_DFL
    assert isinstance(ended_by(lambda: body(INT)), KeyboardInterrupt)
    assert signal.getsignal(INT) is signal.default_int_handler
    assert not reached


def test_a_postponed_signal_waits_for_a_check_and_a_second_one_does_not():
    steps = []

    def body():
        with postponed() as watcher:
            for step in range(5):
                if step == 2:
                    signal.raise_signal(TERM)
                steps.append(step)
                watcher.check()

    assert isinstance(ended_by(body), Stopped)
    assert steps == [0, 1, 2]

    def twice():
        with postponed():
            signal.raise_signal(INT)
            steps.append("first")
            signal.raise_signal(INT)
            steps.append("second")

    assert isinstance(ended_by(twice), KeyboardInterrupt)
    assert steps == [0, 1, 2, "first"]


def test_what_is_postponed_to_the_end_comes_there():
    reached = []

    def body():
        with postponed():
            signal.raise_signal(TERM)
            reached.append("in it")
        reached.append("after it")

    assert isinstance(ended_by(body), Stopped)
    assert reached == ["in it"]


def test_the_callers_own_handler_is_called_and_kept():
    heard = []

    def own(number, frame):
        heard.append(number)

    before = signal.signal(TERM, own)
    try:
        with pytest.raises(Stopped), stoppable():
            signal.raise_signal(TERM)
        assert heard == [TERM]
        assert signal.getsignal(TERM) is own
        with pytest.raises(Stopped), stoppable(), stoppable():  # the inner one changes nothing
            signal.raise_signal(TERM)
        assert heard == [TERM, TERM]
    finally:
        signal.signal(TERM, before)


def test_what_is_ignored_stays_ignored():
    before = signal.signal(INT, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(INT)
            assert signal.getsignal(INT) == signal.SIG_IGN
    finally:
        signal.signal(INT, before)


def test_a_library_that_takes_the_signals_meanwhile_is_heard_no_more():
    def body():
        with postponed() as watcher:
            signal.signal(TERM, signal.SIG_IGN)
            watcher.again()
            signal.raise_signal(TERM)

    assert isinstance(ended_by(body), Stopped)


def test_no_handler_is_installed_outside_the_main_thread():
    found = []

    def elsewhere():
        with stoppable(), postponed() as watcher:
            found.append(signal.getsignal(TERM))
            watcher.again()
            watcher.check()
            found.append(signal.getsignal(TERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL, signal.SIG_DFL]


def test_an_error_is_itself_within_it():
    with pytest.raises(ZeroDivisionError), stoppable(), postponed():
        1 / 0  # noqa: B018
    assert signal.getsignal(TERM) == signal.SIG_DFL
    assert not issubclass(Signalled, Exception)  # so that nobody catches it on its way by mistake
