"""Memory that is freed and asked for again in every step stays with the process."""

import ctypes
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["kept_pages"]

# Options of glibc's mallopt.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
MIB = 2**20


class _Users:
    """How many are inside `kept_pages` now."""

    lock, count = threading.Lock(), 0


@contextmanager
def kept_pages() -> Iterator[None]:
    """While inside, the C library gives no freed memory back to the system: a step's tensors lie where the last one's did.

    Else it maps each block above 32 MiB anew, and the system fills its pages with zeros as they are first written. That
    took more than half of a step with large feature maps (`benchmarks/article.py`). The peak is what it is anyway; what
    is free at the end is given back then. Only where the C library is glibc, and nothing of the environment says how its
    malloc is to work.

    Example:
        >>> with kept_pages():
        ...     pass
    """
    library = _library()
    if library is None:
        yield
        return
    with _Users.lock:
        _Users.count += 1
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, -1)  # never
    try:
        yield
    finally:
        with _Users.lock:
            _Users.count -= 1
            if _Users.count == 0:
                # As glibc adapts itself where blocks of any size come and go, which it no longer does once it was told.
                library.mallopt(MMAP_MAX, 65536)
                library.mallopt(MMAP_THRESHOLD, 32 * MIB)
                library.mallopt(TRIM_THRESHOLD, 64 * MIB)
                library.malloc_trim(0)


@cache
def _library() -> ctypes.CDLL | None:
    told = any(name.startswith("MALLOC_") for name in os.environ) or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    return None if told or platform.libc_ver()[0] != "glibc" else ctypes.CDLL(None)
