"""A decoding process: `python -m sensorium.media.worker`, started by `DecoderPool`, with a socket as its input.

Whatever a broken file does to a decoder (crash, endless loop, all the memory) happens here, and ends here.
"""

import ctypes
import importlib
import os
import pickle
import signal
import socket
import sys
import traceback
from typing import Any

from sensorium.errors import SensoriumError
from sensorium.media.decode import decoder
from sensorium.media.wire import NO_MEMORY, Channel, pack

__all__ = ["main"]


def main(memory_mb: int, preload: list[str]) -> None:
    """Answer requests until the pool closes the socket."""
    channel = Channel(socket.socket(fileno=os.dup(0)))
    for name in preload:
        importlib.import_module(name)
    nothing = os.open(os.devnull, os.O_RDWR)
    if sys.platform == "linux":
        end_with_parent()
        limit_memory(memory_mb)
    channel.send(pack("ready"))
    os.dup2(nothing, 0)
    os.dup2(nothing, 2)  # libraries print each fault of a broken file; the answer has the one reason
    try:
        while True:
            channel.send(pack(work(*channel.receive())))
    except MemoryError:  # whatever took it, this process is in no state to go on
        os._exit(NO_MEMORY)
    except (EOFError, OSError):  # the pool is gone
        return


def work(kind: str, source: Any, options: dict[str, Any], limits: Any) -> tuple[bool, Any]:
    """One file: True and what it became, or False and the error."""
    try:
        return True, decoder(kind)(source, options, limits)
    except SensoriumError as error:
        return False, type(error)(*error.args)  # without its traceback and its cause
    except MemoryError:
        raise
    except Exception as error:  # raised again in the pool's process, where somebody sees it
        where = traceback.format_exc()
        try:
            error = pickle.loads(pickle.dumps(error))
        except Exception:  # an error that can't be sent
            error = RuntimeError(repr(error))
        error.add_note(f"in a decoding process:\n{where}")
        return False, error


def end_with_parent() -> None:
    """Have the system kill the process when the thread that started it ends, even amid a decoder's endless loop."""
    set_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL, 0, 0, 0)


def limit_memory(memory_mb: int) -> None:
    """Let the process take so many MiB beyond what it has now."""
    import resource

    with open("/proc/self/statm") as file:
        has = int(file.read().split()[0]) * resource.getpagesize()
    most = has + memory_mb * 1024**2
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
