"""Files to arrays, each decoded once: from the cache, else by decoding processes, whose answers are kept."""

import os
from collections.abc import Sequence
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sensorium.errors import DataError, MediaError
from sensorium.media.cache import MediaCache, Recipe, content_digest, open_cache
from sensorium.media.decode import Decoded, decode
from sensorium.media.limits import open_bytes
from sensorium.media.pool import DecoderPool
from sensorium.media.probe import MediaInfo

__all__ = ["Loaded", "MediaLoader", "Pending", "probe_files", "shared_pool"]

PROBED_AT_ONCE = 256


class Pending(NamedTuple):
    """A file that was asked for: its key in the cache, where it has one, and what it became or will become."""

    key: bytes | None
    value: "Decoded | MediaError | Future[Decoded]"


class Loaded(NamedTuple):
    """A file's key, where the cache holds it now, and its values or why there are none."""

    key: bytes | None
    value: Decoded | MediaError


class MediaLoader:
    """Asks for files first (`begin`) and takes them later (`finish`), so that many are decoded meanwhile.

    Arrays and pictures in memory are read at once, here, and not kept.

    Args:
        pool: of decoding processes; None decodes here.
        cache: None keeps nothing.
    """

    def __init__(self, pool: DecoderPool | None = None, cache: MediaCache | None = None):
        self.pool, self.cache = pool, cache

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process, perhaps on another machine: what that has of the same kind."""
        pool = None if self.pool is None else self.pool.settings
        return _like, (pool, None if self.cache is None else self.cache.size)

    def digest(self, source: Path | bytes) -> bytes:
        """The hash of a file's content, which the cache remembers.

        Raises:
            OSError: it can't be read.
        """
        return content_digest(source) if self.cache is None else self.cache.digest(source)

    def begin(self, source: Any, recipe: Recipe) -> Pending:
        """Ask for a file, its bytes, or what is in memory already; never raises for what can't be read."""
        key, kind, options, limits = None, recipe.kind, recipe.options, recipe.limits
        try:
            if not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
                return Pending(None, decode(kind, source, options, limits))
            opened = open_bytes(source, limits)
            if self.cache is not None:
                key = self.cache.key(opened, recipe)
                if (found := self.cache.get(key)) is not None:
                    return Pending(key, found)
            if self.pool is not None:
                return Pending(key, self.pool.submit(kind, opened, options, limits))
            done: Future[Decoded] = Future()
            done.set_result(decode(kind, opened, options, limits))
            return Pending(key, done)
        except MediaError as error:
            return Pending(key, error)
        except OSError as error:
            return Pending(None, MediaError(f"cannot read the file ({error.strerror})"))

    def finish(self, asked: Sequence[Pending]) -> list[Loaded]:
        """Wait for files that were asked for; what is new goes into the cache, in one transaction."""
        found, new = [], {}
        for key, value in asked:
            if isinstance(value, Future):
                try:
                    value = value.result()
                    if key is not None:
                        new[key] = value
                except MediaError as error:
                    value = error
            found.append(Loaded(key, value))
        if self.cache is not None:
            self.cache.put(new)
            if self.cache.failure is None:
                return found
        return [loaded._replace(key=None) for loaded in found]


def _like(pool: tuple[int, float, int] | None, size: int | None) -> MediaLoader:
    cache = None
    if size is not None:
        try:
            cache = open_cache(size=size)
        except DataError:
            pass  # all is decoded, more slowly
    return MediaLoader(None if pool is None else shared_pool(*pool), cache)


def probe_files(sources: Sequence[Path | bytes]) -> list[MediaInfo | MediaError]:
    """`probe` of each, in the decoding processes: a header can crash a library as well as what comes after it."""
    found: list[MediaInfo | MediaError] = []
    pool = shared_pool()
    for start in range(0, len(sources), PROBED_AT_ONCE):
        for future in [pool.submit("probe", source, {}) for source in sources[start : start + PROBED_AT_ONCE]]:
            try:
                found.append(future.result())
            except MediaError as error:
                found.append(error)
    return found


def processors() -> int:
    """What this program may use, which in a container is less than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool(workers: int, seconds: float, memory_mb: int) -> DecoderPool:
    return DecoderPool(workers, seconds, memory_mb)


def shared_pool(workers: int | None = None, seconds: float = 60.0, memory_mb: int = 2048) -> DecoderPool | None:
    """The pool that all loaders of a process share; another one where it is to be another.

    Args:
        workers: processes; None: one a processor; 0: no pool, None is returned.
        seconds, memory_mb: as DecoderPool takes them.
    """
    workers = processors() if workers is None else workers
    return _pool(workers, float(seconds), memory_mb) if workers else None
