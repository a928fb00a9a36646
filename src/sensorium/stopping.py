"""SIGTERM and SIGINT while something is made: what is at work ends at a good moment, and can be gone on with."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Signalled", "Stopped", "postponed", "stoppable"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """SIGTERM came, and work was stopped where it can be gone on with. Its code is 143, as a shell gives for SIGTERM."""


class Signalled(BaseException):
    """A signal came. Within `stoppable` alone, which makes of it what callers know."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Watcher:
    """Raises `Signalled`; while it waits, it remembers the first signal, and raises at the second."""

    def __init__(self) -> None:
        self.waits, self.number = False, None
        self.before: dict[int, Any] = {}  # handlers

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.waits or self.number is not None:
            raise Signalled(number)
        self.number = number

    def begin(self) -> None:
        """Listen to the signals that the process does not ignore."""
        for number in SIGNALS:
            if (before := signal.getsignal(number)) not in {signal.SIG_IGN, None}:
                self.before[number] = before
                signal.signal(number, self)

    def again(self) -> None:
        """Listen where somebody else has begun to meanwhile."""
        for number in self.before:
            signal.signal(number, self)

    def end(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Now is a good moment.

        Raises:
            Signalled: a signal came.
        """
        if self.number is not None:
            raise Signalled(self.number)


_watcher: Watcher | None = None


@contextmanager
def stoppable() -> Iterator[None]:
    """While it lasts, SIGTERM ends the work with `Stopped` and SIGINT with KeyboardInterrupt, at once or after `postponed`.

    Then the handlers of before are back; one that the caller wrote is called first. Outside the main thread, where Python
    hears no signals, and within another `stoppable` it does nothing.
    """
    global _watcher
    if _watcher is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    watcher = _watcher = Watcher()
    came = None
    try:
        watcher.begin()
        try:
            yield
        except Signalled as signalled:
            came = signalled.number
    finally:
        watcher.end()
        _watcher = None
    if came is not None:
        if callable(watcher.before[came]):
            signal.raise_signal(came)  # Python's own for SIGINT raises KeyboardInterrupt
        raise KeyboardInterrupt if came == signal.SIGINT else Stopped(128 + came)


@contextmanager
def postponed() -> Iterator[Watcher]:
    """While it lasts, a first signal waits for `check` of what is given, or for the end."""
    watcher = _watcher if threading.current_thread() is threading.main_thread() else None
    if watcher is None:
        yield Watcher()  # that hears nothing
        return
    watcher.waits = True
    try:
        yield watcher
    finally:
        watcher.waits = False
    watcher.check()
