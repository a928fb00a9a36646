"""Many files as one: a zip archive, uncompressed, of which there is exactly one spelling for the same files.

Any zip program opens it. Reading takes nothing on trust: from names, sizes and CRCs alone every other byte follows, and
one that differs is refused. So there is nothing to unfold (a bomb), no second file of a name, no link, no comment, and
nothing between or after the files. This is the container alone; what may be in it, `sensorium.export.pack` says.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sensorium.errors import DataError

__all__ = ["Entry", "contained", "pieces", "read_entries"]

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
BIG = struct.Struct("<2H2Q")  # of a local header: sizes of 4 GiB and more
BIG_CENTRAL = struct.Struct("<2H3Q")
BIG_END = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
END = struct.Struct("<4s4H2LH")

LEFT_OUT = 0xFFFFFFFF  # in a field of 32 bits: the number is in one of 64
MOST = LEFT_OUT - 1  # that a field of 32 bits holds
DATE = 0x21  # 1 January 1980, the first that a zip can hold: the same files give the same bytes
MODE = 0o100644 << 16  # a file, no link, not to be run
UNIX = 3 << 8
MOST_FILES = 1000
LONGEST_NAME = 100  # bytes
PIECE = 2**20  # bytes that are read at once


class Entry(NamedTuple):
    """A file in the container: its name, bytes, CRC-32, and where its header begins."""

    name: str
    size: int
    crc: int
    start: int

    @property
    def big(self) -> bool:
        return self.size > MOST

    @property
    def begin(self) -> int:
        """Where its content begins."""
        return self.start + len(_local(self))

    @property
    def end(self) -> int:
        return self.begin + self.size


def contained(files: Mapping[str, Path | bytes]) -> Iterator[bytes]:
    """The bytes of the container, in pieces, of files by name; each on disk is read twice."""
    entries: list[Entry] = []
    for name in sorted(files):
        size = crc = 0
        for piece in pieces(files[name]):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
        entry = Entry(name, size, crc, entries[-1].end if entries else 0)
        yield _local(entry)
        yield from pieces(files[name])
        entries.append(entry)
    yield _directory(entries)


def pieces(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def read_entries(file: BinaryIO, size: int, name: str, limit: Callable[[str], int | None]) -> dict[str, Entry]:
    """What is in a container, in order; nothing of the contents is looked at.

    Args:
        file: opened, at its beginning.
        size: bytes of it.
        name: of it, for messages.
        limit: the most bytes that a file of this name may have; None for a name that must not be there.

    Raises:
        DataError: it is no such container, ends early, or is spelt in another way than `contained` does.
    """
    changed = f"{name} was changed since it was written"
    entries: dict[str, Entry] = {}
    last = None
    while True:
        start = 0 if last is None else last.end
        file.seek(start)
        head = file.read(LOCAL.size)
        if head[:4] != b"PK\x03\x04"[: len(head)] or not head:
            break
        if len(head) < LOCAL.size:
            raise DataError(f"{name} ends early: it is not whole.")
        *_, crc, own, _, length, more = LOCAL.unpack(head)
        rest = file.read(min(length, LONGEST_NAME))
        if len(rest) < min(length, LONGEST_NAME):
            raise DataError(f"{name} ends early: it is not whole.")
        known = rest.decode("ascii", "backslashreplace")
        most = limit(known) if length == len(rest) else None
        if most is None:
            raise DataError(f"{name} holds a file {known!r}, which no archive of sensorium has. It is not opened.")
        if known in entries:
            raise DataError(f"{name} holds two files '{known}'. It is not opened.")
        extra = file.read(BIG.size) if more == BIG.size else b""
        if len(extra) == BIG.size:
            own = BIG.unpack(extra)[2]
        entry = Entry(known, own, crc, start)
        if head + rest + extra != _local(entry) or (last is not None and known < last.name):
            raise DataError(f"{changed}: what stands before '{known}' is not as sensorium writes it. It is not opened.")
        if own > most:
            raise DataError(f"{name} holds a '{known}' of {own:,} bytes; at most {most:,} are read. It is not opened.")
        if entry.end > size:
            raise DataError(f"{name} ends early, within '{known}': it is not whole.")
        if len(entries) == MOST_FILES:
            raise DataError(f"{name} holds more than {MOST_FILES} files. It is not opened.")
        entries[known] = last = entry
    if last is None:
        raise DataError(f"{name} is no archive of sensorium: it does not begin as one.")
    expected = _directory(list(entries.values()))
    file.seek(last.end)
    found = file.read(len(expected) + 1)
    if found != expected:
        if expected.startswith(found):
            raise DataError(f"{name} ends early, after '{last.name}': it is not whole.")
        raise DataError(f"{changed}: what stands after '{last.name}' is not as sensorium writes it. It is not opened.")
    return entries


def _local(entry: Entry) -> bytes:
    size = LEFT_OUT if entry.big else entry.size
    extra = BIG.pack(1, BIG.size - 4, entry.size, entry.size) if entry.big else b""
    name = entry.name.encode("ascii")
    need = 45 if entry.big else 20
    return LOCAL.pack(b"PK\x03\x04", need, 0, 0, 0, DATE, entry.crc, size, size, len(name), len(extra)) + name + extra


def _central(entry: Entry) -> bytes:
    big = entry.big or entry.start > MOST
    size, start = (LEFT_OUT, LEFT_OUT) if big else (entry.size, entry.start)
    extra = BIG_CENTRAL.pack(1, BIG_CENTRAL.size - 4, entry.size, entry.size, entry.start) if big else b""
    name = entry.name.encode("ascii")
    need = 45 if big else 20
    return (
        CENTRAL.pack(
            b"PK\x01\x02", UNIX | need, need, 0, 0, 0, DATE, entry.crc, size, size, len(name), len(extra), 0, 0, 0,
            MODE, start,
        )
        + name
        + extra
    )  # fmt: skip


def _directory(entries: Iterable[Entry]) -> bytes:
    """What follows the files."""
    entries = list(entries)
    start = entries[-1].end if entries else 0
    listed = b"".join(map(_central, entries))
    count, size, end = len(entries), len(listed), b""
    if start > MOST:
        end = BIG_END.pack(b"PK\x06\x06", BIG_END.size - 12, UNIX | 45, 45, 0, 0, count, count, size, start)
        end += LOCATOR.pack(b"PK\x06\x07", 0, start + size, 1)
        start = LEFT_OUT
    return listed + end + END.pack(b"PK\x05\x06", 0, 0, count, count, size, start, 0)
