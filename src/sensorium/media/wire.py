"""Messages between a pool and its decoding processes: arrays' bytes as they are, then a pickle of all the rest."""

import pickle
import socket
import struct
from typing import Any

import numpy as np

__all__ = ["NO_MEMORY", "Channel", "pack"]

NO_MEMORY = 77  # the exit code of a decoding process whose memory was not enough

_HEADER = struct.Struct("!QIH")  # bytes after the header, bytes of the pickle (the last of them), number of arrays
_LENGTH = struct.Struct("!Q")  # bytes of an array; the lengths stand just before the pickle
_ALIGN = 64  # bytes; where an array may begin
_SMALL = 64 * 1024  # bytes; up to here one copy is cheaper than a second call of the system


def pack(thing: Any) -> list[bytes | memoryview]:
    """`thing` as the parts of a message; large arrays are not copied."""
    out: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(thing, protocol=5, buffer_callback=out.append)
    parts: list[bytes | memoryview] = [b""]
    for array in out:
        raw = array.raw()
        parts += [raw, bytes(-raw.nbytes % _ALIGN)]
    parts += [*(_LENGTH.pack(array.raw().nbytes) for array in out), pickled]
    length = sum(len(part) for part in parts)
    parts[0] = _HEADER.pack(length, len(pickled), len(out))
    return [b"".join(parts)] if length < _SMALL else parts


class Channel:
    """One end of a socket that both sides write messages to.

    Both ends are ours and nobody else can reach the socket: that's why what comes may be unpickled.
    """

    def __init__(self, connection: socket.socket):
        self.socket = connection
        self._reader = connection.makefile("rb", buffering=_SMALL)

    def send(self, parts: list[bytes | memoryview]) -> None:
        """Write a packed message whole. OSError: the other side is gone, or (TimeoutError) takes nothing."""
        for part in parts:
            self.socket.sendall(part)

    def receive(self) -> Any:
        """The next message. EOFError or OSError: the other side is gone; TimeoutError: by the socket's own limit."""
        length, pickled, arrays = _HEADER.unpack(self._read(_HEADER.size))
        body = self._read(length)
        table = length - pickled - arrays * _LENGTH.size
        buffers, place = [], 0
        for (size,) in _LENGTH.iter_unpack(body[table : length - pickled]):
            buffers.append(body[place : place + size])
            place += size + -size % _ALIGN
        return pickle.loads(body[length - pickled :], buffers=buffers)

    def close(self) -> None:
        self._reader.close()
        self.socket.close()

    def _read(self, length: int) -> memoryview:
        view = memoryview(np.empty(length, dtype=np.uint8))
        if self._reader.readinto(view) < length:
            raise EOFError("the other side is gone")
        return view
