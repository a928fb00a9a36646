"""What a media file may ask for, and the checks before anything of it is decoded."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sensorium.errors import MediaError

__all__ = ["LIMITS", "Limits", "check_pixels", "check_seconds", "open_bytes"]


@dataclass(frozen=True)
class Limits:
    """The largest file that is decoded; a larger one counts as broken.

    Args:
        max_pixels: of one picture or frame.
        max_seconds: of one recording or clip.
        max_bytes: of one file.
    """

    max_pixels: int = 200_000_000
    max_seconds: float = 4 * 3600.0
    max_bytes: int = 2 * 1024**3


LIMITS = Limits()


def check_pixels(width: int, height: int, limits: Limits) -> None:
    """Refuse a picture of more pixels than allowed."""
    if width * height > limits.max_pixels:
        raise MediaError(f"{width}x{height} pixels are over the limit of {limits.max_pixels}")
    if width < 1 or height < 1:
        raise MediaError(f"it has no pixels ({width}x{height})")


def check_seconds(seconds: float, limits: Limits) -> None:
    """Refuse a recording or clip longer than allowed."""
    if seconds > limits.max_seconds:
        raise MediaError(f"{seconds:.0f} s are over the limit of {limits.max_seconds:.0f} s")


def open_bytes(source: str | os.PathLike[str] | bytes, limits: Limits = LIMITS) -> bytes | Path:
    """`source`, checked: bytes that are not empty, or the path of a regular, readable, non-empty file.

    Raises:
        MediaError: no such file, a folder, a pipe or device, empty, over `limits.max_bytes`, not allowed to be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        source = bytes(source)
        if not source:
            raise MediaError("the file is empty")
        if len(source) > limits.max_bytes:
            raise MediaError(f"{len(source)} bytes are over the limit of {limits.max_bytes}")
        return source
    path = Path(source)
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaError("no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise MediaError(f"cannot open the file ({getattr(error, 'strerror', None) or error})") from error
    if stat.S_ISDIR(status.st_mode):
        raise MediaError("it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("it is a pipe or a device, not a file")
    if status.st_size == 0:
        raise MediaError("the file is empty")
    if status.st_size > limits.max_bytes:
        raise MediaError(f"{status.st_size} bytes are over the limit of {limits.max_bytes}")
    if not os.access(path, os.R_OK):
        raise MediaError("cannot open the file (Permission denied)")
    return path
