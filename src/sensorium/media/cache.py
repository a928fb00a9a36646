"""What was decoded once, kept on disk under a hash of the file's content and of every option that changes the result.

The store is LMDB: a memory-mapped B-tree that any number of processes read while one writes, and whose transactions are
whole or not at all, at whatever instant a process is killed. `benchmarks/store.py` compared it with its rivals.
"""

import hashlib
import json
import os
import shutil
import struct
import threading
import time
import weakref
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from sensorium.errors import DataError
from sensorium.media.decode import Decoded
from sensorium.media.faces import opencv
from sensorium.media.limits import LIMITS, Limits

__all__ = ["MediaCache", "Recipe", "cache_folder", "clear_cache", "content_digest", "open_cache", "pack"]

FORMAT = 1
STORE = "media.lmdb"
SCRATCH = "rows-"  # what files of the same folder, that go by themselves, are called
PAGE = 4096  # bytes; LMDB gives a value whole pages
KEY = 16  # bytes of a hash that are kept
FOOT = struct.Struct("<IH")  # CRC-32 of all before it, bytes of the JSON before it
USE = struct.Struct("<dQ")  # when a value was last used (seconds since 1970), its bytes on disk
LEAST = 0.9  # the share of the limit that is left when values have to go
HASHES = 1000  # of files, that are written together: a transaction waits for the disk
RACY = 2.0  # s; a file younger than this may change again within the same time stamp


def cache_folder() -> Path:
    """Where the cache lies: $SENSORIUM_CACHE, else the user's folder for caches."""
    if given := os.environ.get("SENSORIUM_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sensorium"


@cache
def _versions(faces: bool) -> list[str]:
    more = [f"opencv {opencv().__version__}"] if faces else []
    return [f"{name} {version(name)}" for name in ("av", "numpy", "pillow", "soundfile", "soxr")] + more


@dataclass(frozen=True, eq=False)
class Recipe:
    """How files are decoded: everything beside a file's content that its values depend on, the libraries included.

    Args:
        kind, options: as `decode` takes them.
        limits: of one file.
    """

    kind: str
    options: Mapping[str, Any]
    limits: Limits = LIMITS

    @cached_property
    def digest(self) -> bytes:
        told = [
            FORMAT,
            _versions("faces" in self.options),
            self.kind,
            sorted(self.options.items()),
            sorted(vars(self.limits).items()),
        ]
        return hashlib.sha256(json.dumps(told).encode()).digest()

    def key(self, content: bytes) -> bytes:
        """The key of a file decoded so; `content`: the hash of what it holds."""
        return hashlib.sha256(content + self.digest).digest()[:KEY]


def content_digest(source: Path | bytes) -> bytes:
    """SHA-256 of a file's content.

    Raises:
        OSError: it can't be read.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


_open: "weakref.WeakValueDictionary[Path, MediaCache]" = weakref.WeakValueDictionary()
_opening = threading.Lock()


def open_cache(folder: Path | None = None, size: int = 10 * 1024**3) -> "MediaCache":
    """The cache in `folder`, one object for the whole process, as LMDB wants it; `size` is that of the last call."""
    folder = (folder or cache_folder()).resolve()
    with _opening:
        found = _open.get(folder)
        if found is None:
            found = _open[folder] = MediaCache(folder, size)
        found.size = size
        return found


class MediaCache:
    """Decoded media on disk, bounded: what was not used for longest goes first. Threads and processes may share it.

    Args:
        folder: made where it is not there. Open each folder once in a process (`open_cache` does).
        size: bytes on disk, at most.

    Raises:
        DataError: the folder can't be written to, or holds something else.
    """

    def __init__(self, folder: Path, size: int):
        self.size = size
        self.folder = folder = folder / STORE  # of its own, so that clearing it can delete nothing else
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # The map is address space, not memory: it is as large as the store could ever become.
            self.store = lmdb.open(str(folder), map_size=2**40, max_dbs=4, max_readers=512, readahead=False)
            self.values, self.used, self.files, self.state = (
                self.store.open_db(name) for name in (b"values", b"used", b"files", b"state")
            )
        except (lmdb.Error, OSError) as error:
            raise DataError(
                f"cannot use {folder} as a cache: {error}. Set SENSORIUM_CACHE to another folder."
            ) from error
        self.failure: str | None = None  # why nothing is kept any more
        self._seen: set[bytes] = set()
        self._hashes: dict[bytes, bytes] = {}  # of files, not written yet
        self._end = weakref.finalize(self, _close, self.store, self.used, self._seen, self.files, self._hashes)

    def close(self) -> None:
        """Write down what was used, and let go of the folder."""
        self._end()

    def key(self, source: Path | bytes, recipe: Recipe) -> bytes:
        """The key of a file decoded by a recipe.

        A file's content is read and hashed once; then its size, times and place on the disk stand for it.

        Raises:
            OSError: it can't be read.
        """
        return recipe.key(self.digest(source))

    def digest(self, source: Path | bytes) -> bytes:
        """The hash of a file's content."""
        if isinstance(source, bytes):
            return content_digest(source)
        about = os.stat(source)
        identity = struct.pack(
            "<QQQqq", about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
        )
        if (known := self._hashes.get(identity)) is not None:
            return known
        with self.store.begin() as transaction:
            known = transaction.get(identity, db=self.files)
        if known is not None:
            return known
        digest = content_digest(source)
        if self.failure is None and time.time() - max(about.st_mtime, about.st_ctime) > RACY:
            self._hashes[identity] = digest
            if len(self._hashes) >= HASHES:
                self._write(lambda transaction: _note_hashes(transaction, self.files, self._hashes))
        return digest

    def get(self, key: bytes) -> Decoded | None:
        """A value and its notes, copied; None where it is not there or is damaged."""
        with self.store.begin(buffers=True) as transaction:
            raw = transaction.get(key, db=self.values)
            if raw is None:
                return None
            found = _unpack(raw)
        if found is not None:
            self._seen.add(key)
        return found

    def fetch(self, keys: Sequence[bytes], out: np.ndarray) -> list[int]:
        """Copy values of one shape into the rows of `out`; returns the places of those that are not there.

        Args:
            keys: of the values.
            out: (len(keys), ...), C-contiguous, of the values' shape and type.
        """
        size = out[0].nbytes
        view, missing, place = memoryview(out.reshape(-1)).cast("B"), [], 0
        with self.store.begin(buffers=True, db=self.values) as transaction:
            for i, key in enumerate(keys):
                raw = transaction.get(key)
                if raw is None or len(raw) < size + FOOT.size:
                    missing.append(i)
                else:
                    view[place : place + size] = raw[:size]
                place += size
        return missing

    def put(self, items: Mapping[bytes, Decoded]) -> None:
        """Keep values, all of them or none; the oldest go where the limit is reached. A full disk ends the keeping."""
        if items and self.failure is None:
            self.put_packed({key: pack(value) for key, value in items.items()})

    def put_packed(self, packed: Mapping[bytes, bytes]) -> None:
        """`put` of values that `pack` made bytes of."""
        if not packed or self.failure is not None:
            return
        now = time.time()

        def write(transaction: lmdb.Transaction) -> None:
            _note_hashes(transaction, self.files, self._hashes)
            total = int(transaction.get(b"total", b"0", db=self.state))
            for key, raw in packed.items():
                cost = -(-(len(raw) + KEY) // PAGE) * PAGE
                if cost <= self.size * LEAST and transaction.put(key, raw, overwrite=False, db=self.values):
                    transaction.put(key, USE.pack(now, cost), db=self.used)
                    total += cost
            if total > self.size:
                total -= self._evict(transaction, total - int(LEAST * self.size))
            transaction.put(b"total", str(total).encode(), db=self.state)

        self._write(write)

    def _evict(self, transaction: lmdb.Transaction, wanted: int) -> int:
        """Delete the values that were not used for longest; returns the bytes they took."""
        self._note_used(transaction)
        with transaction.cursor(db=self.used) as cursor:
            oldest = sorted((*USE.unpack(use), key) for key, use in cursor)
        freed = 0
        for _, cost, key in oldest:
            if freed >= wanted:
                break
            transaction.delete(key, db=self.values)
            transaction.delete(key, db=self.used)
            freed += cost
        return freed

    def touch(self, keys: Iterable[bytes]) -> None:
        """Remember that values were used; written down when values have to go, and at the end."""
        self._seen.update(keys)

    def _note_used(self, transaction: lmdb.Transaction) -> None:
        _note_used(transaction, self.used, self._seen)

    def _write(self, action: Any) -> None:
        try:
            with self.store.begin(write=True) as transaction:
                action(transaction)
        except (lmdb.Error, OSError) as error:  # a full disk comes as several of them
            self.failure = str(error)  # a cache that can't be written to costs time, not the run

    def summary(self) -> dict[str, Any]:
        """folder, entries, bytes, files whose hash is known, and when the oldest value was last used (s since 1970)."""
        with self.store.begin() as transaction:
            with transaction.cursor(db=self.used) as cursor:
                uses = [USE.unpack(use) for _, use in cursor]
            return {
                "folder": str(self.folder),
                "entries": len(uses),
                "bytes": sum(cost for _, cost in uses),
                "files": transaction.stat(self.files)["entries"] + len(self._hashes),
                "oldest": min((when for when, _ in uses), default=None),
            }

    def check(self) -> list[str]:
        """Verify every value against its checksum; the keys (hexadecimal) of damaged ones, which are deleted."""
        bad: list[bytes] = []
        with self.store.begin(buffers=True) as transaction, transaction.cursor(db=self.values) as cursor:
            for key, raw in cursor:
                if len(raw) < FOOT.size or zlib.crc32(raw[: -FOOT.size]) != FOOT.unpack(raw[-FOOT.size :])[0]:
                    bad.append(bytes(key))

        def drop(transaction: lmdb.Transaction) -> None:
            total = int(transaction.get(b"total", b"0", db=self.state))
            for key in bad:
                use = transaction.pop(key, db=self.used)
                transaction.delete(key, db=self.values)
                total -= USE.unpack(use)[1] if use else 0
            transaction.put(b"total", str(total).encode(), db=self.state)

        if bad:
            self._write(drop)
        return [key.hex() for key in bad]


def clear_cache(folder: Path | None = None) -> int:
    """Delete the cache in `folder`; returns the bytes that are free again. A process that reads it goes on unharmed.

    Raises:
        DataError: it can't be deleted.
    """
    store = (folder or cache_folder()).resolve() / STORE
    for left in store.parent.glob(f"{SCRATCH}*"):  # of a program that was killed while it laid out a table
        left.unlink(missing_ok=True)
    with _opening:
        if found := _open.pop(store.parent, None):
            found.close()
    if not store.is_dir():
        return 0
    size = sum(path.stat().st_blocks * 512 for path in store.iterdir())
    doomed = store.with_name(f"{STORE}.{os.getpid()}.deleted")
    try:
        store.rename(doomed)  # at once, so that nobody opens half of it
        shutil.rmtree(doomed)
    except OSError as error:
        raise DataError(f"cannot delete {store}: {error.strerror}.") from error
    return size


def _note_used(transaction: lmdb.Transaction, used: Any, seen: set[bytes]) -> None:
    now = time.time()
    for key in list(seen):
        if (use := transaction.get(key, db=used)) is not None:
            transaction.put(key, USE.pack(now, USE.unpack(use)[1]), db=used)
    seen.clear()


def _note_hashes(transaction: lmdb.Transaction, files: Any, hashes: dict[bytes, bytes]) -> None:
    while hashes:
        transaction.put(*hashes.popitem(), db=files)


def _close(store: lmdb.Environment, used: Any, seen: set[bytes], files: Any, hashes: dict[bytes, bytes]) -> None:
    try:
        if seen or hashes:
            with store.begin(write=True) as transaction:
                _note_used(transaction, used, seen)
                _note_hashes(transaction, files, hashes)
    except lmdb.Error:
        pass  # the order of leaving is then a little older, and some files are hashed again
    store.close()


def pack(value: Decoded) -> bytes:
    """Values first, so that a reader who knows their shape copies them as they are."""
    array = np.ascontiguousarray(value.values)
    about = json.dumps([array.dtype.str, array.shape, value.notes]).encode()
    body = array.tobytes() + about
    return body + FOOT.pack(zlib.crc32(body), len(about))


def _unpack(raw: Any) -> Decoded | None:
    """None where it is not whole."""
    if len(raw) < FOOT.size:
        return None
    crc, length = FOOT.unpack(raw[-FOOT.size :])
    body = raw[: -FOOT.size]
    if zlib.crc32(body) != crc:
        return None
    dtype, shape, notes = json.loads(bytes(body[len(body) - length :]))
    values = np.frombuffer(body[: len(body) - length], np.dtype(dtype)).reshape(shape).copy()
    return Decoded(values, tuple((kind, reason) for kind, reason in notes))
