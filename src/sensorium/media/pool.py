"""Decoding in processes of their own: a file that crashes, hangs or eats a decoder costs that file alone."""

import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensorium.errors import MediaError
from sensorium.media.decode import Decoded
from sensorium.media.limits import LIMITS, Limits
from sensorium.media.wire import NO_MEMORY, Channel, pack

__all__ = ["DecoderLost", "DecoderPool"]

START_SECONDS = 120.0  # for a process to import what it needs
AHEAD = 2  # requests a process has at most: the next one is there when it ends one
SMALL = (
    32 * 1024
)  # bytes of a request that is sent ahead: the socket takes it whole, so that no side waits for the other


class DecoderLost(MediaError):
    """The decoding process died of the file, or took too long: perhaps not so another time, so it isn't to be kept."""


class DecoderPool:
    """Processes that run `sensorium.media.decode.decode`; they start when there is work. Threads may share it.

    A file is blamed for a crash only where a process that has done nothing else crashes of it, too. Close the pool
    (or use it in `with`); what is left open ends with the program, also where that is killed.

    Args:
        workers: processes, at most.
        seconds: for one file, in all.
        memory_mb: MiB for one file, beyond what an idle process holds.
        preload: names of modules that each process imports first, such as ones that `add` kinds of media.
    """

    def __init__(self, workers: int, seconds: float = 60.0, memory_mb: int = 2048, preload: Sequence[str] = ()):
        for name, value in (("workers", workers), ("seconds", seconds), ("memory_mb", memory_mb)):
            if not value > 0:
                raise ValueError(f"{name} must be above 0; got {value}")
        self._settings = (workers, seconds, memory_mb, tuple(preload))
        self._start()

    @property
    def settings(self) -> tuple[int, float, int]:
        """Workers, seconds and memory_mb."""
        return self._settings[:3]

    def _start(self) -> None:
        self._crew = _Crew(*self._settings)
        self._end = weakref.finalize(self, _Crew.close, self._crew)

    def submit(self, kind: str, source: Any, options: dict[str, Any], limits: Limits = LIMITS) -> "Future[Decoded]":
        """`decode` of these arguments, in a process. The future raises what `decode` raises, and DecoderLost."""
        if isinstance(source, str | os.PathLike):
            source = os.path.abspath(source)  # a process stays in the folder where it began
        job = _Job(pack((kind, source, options, limits)))
        if self._crew.owner != os.getpid():
            self._start()  # a fork has the pool, but none of its threads
        self._crew.put(job)
        return job.future

    def close(self) -> None:
        """End the processes. Files not decoded yet are cancelled, or fail as lost."""
        self._end()
        self._crew.join()

    def __enter__(self) -> "DecoderPool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@dataclass(eq=False)
class _Job:
    message: list[bytes | memoryview]
    future: "Future[Decoded]" = field(default_factory=Future)

    @property
    def small(self) -> bool:
        return sum(len(part) for part in self.message) <= SMALL


class _Child:
    """One decoding process, ready."""

    def __init__(self, memory_mb: int, preload: Sequence[str]):
        ours, theirs = socket.socketpair()
        self.channel, self.served = Channel(ours), 0
        command = [sys.executable, "-P", "-X", f"utf8={sys.flags.utf8_mode}", "-m", "sensorium.media.worker"]
        with theirs:
            self.process = subprocess.Popen(
                [*command, str(memory_mb), *preload],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the program that has the pool
            )

    def wait_ready(self) -> None:
        self.channel.socket.settimeout(START_SECONDS)
        try:
            self.channel.receive()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"a decoding process did not start (exit code {self.end(patience=1.0)})") from error

    def end(self, patience: float = 0.0) -> int:
        """Kill it, where it still runs after `patience` seconds; its exit code, negative for a signal."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.channel.close()
        return self.process.wait()


class _Crew:
    """The processes of a pool, and a thread for each that hands it files. Knows nothing of the pool, which can go."""

    def __init__(self, workers: int, seconds: float, memory_mb: int, preload: Sequence[str]):
        self.workers, self.seconds, self.memory_mb, self.preload = workers, seconds, memory_mb, preload
        self.owner, self.closed = os.getpid(), False
        self.jobs: deque[_Job] = deque()
        self.changed = threading.Condition()
        self.threads: list[threading.Thread] = []
        self.idle = 0
        self.children: set[_Child] = set()

    def put(self, job: _Job) -> None:
        with self.changed:
            if self.closed:
                raise RuntimeError("the pool of decoders is closed")
            self.jobs.append(job)
            if self.idle < len(self.jobs) and len(self.threads) < self.workers:
                thread = threading.Thread(target=self.serve, name="sensorium-decoder", daemon=True)
                thread.start()
                self.threads.append(thread)
            self.changed.notify()

    def take(self, wait: bool) -> _Job | None:
        """The next file. None: the pool is closed, or (`wait` False) there isn't more than one for each process."""
        with self.changed:
            while not self.closed:
                if len(self.jobs) >= (1 if wait else self.workers):
                    job = self.jobs.popleft()
                    if job.future.set_running_or_notify_cancel():
                        return job
                elif wait:
                    self.idle += 1
                    self.changed.wait()
                    self.idle -= 1
                else:
                    return None
            return None

    def serve(self) -> None:
        """A thread's life: give one process its files and their futures its answers."""
        child: _Child | None = None
        taken: deque[_Job] = deque()  # in the order in which they are answered
        sent = 0  # how many of them the process has
        while True:
            while len(taken) < AHEAD and (job := self.take(wait=not taken)):
                taken.append(job)
            if not taken:
                break
            try:
                if child is None:
                    child, sent = self.start(), 0
                while sent < len(taken) and (sent == 0 or taken[sent].small):
                    child.channel.send(taken[sent].message)
                    sent += 1
                done, answer = child.channel.receive()
            except TimeoutError:
                done, answer = False, DecoderLost(f"decoding took longer than {self.seconds:g} s")
                self.end(child)
                child = None
            except (EOFError, OSError):
                code, used = self.end(child, patience=1.0), child.served > 0
                child = None
                if self.closed:
                    break
                if used:  # what earlier files left behind may be at fault: once more, in a new process
                    continue
                done, answer = False, DecoderLost(self.reason(code))
            except Exception as error:  # were this thread to end, files would wait for ever
                done, answer = False, error
                if child is not None:
                    self.end(child)
                child = None
            job, sent = taken.popleft(), sent - 1
            if child is not None:
                child.served += 1
            if done:
                job.future.set_result(answer)
            else:
                job.future.set_exception(answer)
        for job in taken:
            job.future.set_exception(DecoderLost("the pool of decoders was closed"))
        if child is not None:
            self.end(child)

    def reason(self, code: int) -> str:
        if code == NO_MEMORY:
            return f"decoding needs more memory than {self.memory_mb} MB"
        if code == -signal.SIGKILL:  # not by us
            return f"the decoder was killed (signal 9): it may need more memory than {self.memory_mb} MB or there is"
        return f"the decoder crashed (signal {-code})" if code < 0 else f"the decoder ended (exit code {code})"

    def start(self) -> _Child:
        child = _Child(self.memory_mb, self.preload)
        with self.changed:
            self.children.add(child)
            closed = self.closed
        try:
            if closed:
                raise RuntimeError("the pool of decoders is closed")
            child.wait_ready()
        except RuntimeError:
            self.end(child)
            raise
        child.channel.socket.settimeout(self.seconds)
        return child

    def end(self, child: _Child, patience: float = 0.0) -> int:
        with self.changed:
            self.children.discard(child)
        return child.end(patience)

    def close(self) -> None:
        if self.owner != os.getpid():  # after a fork: they are the parent's
            return
        with self.changed:
            self.closed = True
            jobs, self.jobs = self.jobs, deque()
            children, self.children = self.children, set()
            self.changed.notify_all()
        for job in jobs:
            job.future.cancel()
        for child in children:
            child.process.kill()
        for child in children:
            child.process.wait()

    def join(self) -> None:
        """After `close`: wait for the threads, unless it is one of them (a future's callback) that closes the pool."""
        if self.owner == os.getpid() and threading.current_thread() not in self.threads:
            for thread in self.threads:
                thread.join()


def _environment() -> dict[str, str]:
    """One thread a process, and the modules that this one finds."""
    home = str(Path(__file__).resolve().parents[2])
    paths = [path for path in sys.path if path]
    one = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"], "1")
    return {**os.environ, **one, "PYTHONPATH": os.pathsep.join(paths if home in paths else [home, *paths])}
