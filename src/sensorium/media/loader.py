"""Files to arrays, each decoded once: from the cache, else by decoding processes, whose answers are kept."""

import os
from collections.abc import Sequence
from concurrent.futures import Future
from functools import lru_cache
from typing import Any, NamedTuple

from sensorium.errors import MediaError
from sensorium.media.cache import MediaCache, Recipe
from sensorium.media.decode import Decoded, decode
from sensorium.media.limits import open_bytes
from sensorium.media.pool import DecoderPool

__all__ = ["Loaded", "MediaLoader", "Pending", "shared_pool"]


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


@lru_cache(maxsize=1)
def shared_pool(workers: int, seconds: float, memory_mb: int) -> DecoderPool | None:
    """The pool that all loaders of a process share; another one where it is to be another. 0 workers: None."""
    return DecoderPool(workers, seconds, memory_mb) if workers > 0 else None
