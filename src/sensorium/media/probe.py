"""What a file is, from its first bytes and its header alone."""

import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import av
import av.logging
import numpy as np
import soundfile

from sensorium.errors import MediaError
from sensorium.media.limits import LIMITS, Limits, open_bytes

__all__ = ["EXTENSIONS", "MediaInfo", "probe", "sniff"]

av.logging.set_level(None)  # FFmpeg prints each fault of a broken file; we give one reason a file
logging.getLogger("libav").setLevel(logging.CRITICAL)

EXTENSIONS = {
    **dict.fromkeys([".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"], "image"),
    **dict.fromkeys([".aac", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"], "audio"),
    **dict.fromkeys([".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"], "video"),
}


@dataclass(frozen=True)
class MediaInfo:
    """What the header says. None: it does not say."""

    kind: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    fps: float | None = None
    has_audio: bool = False


def sniff(head: bytes) -> str | None:
    """image, audio or video, from a file's first bytes (32 are enough); None where they say nothing known."""
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")):
        return "image"
    if head[:4] == b"RIFF":
        return {b"WEBP": "image", b"WAVE": "audio", b"AVI ": "video"}.get(head[8:12])
    if head.startswith((b"fLaC", b"OggS", b"ID3", b"FORM")) or (len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0):
        return "audio"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "image" if brand in {b"heic", b"heix", b"mif1", b"avif"} else "audio" if brand[:3] == b"M4A" else "video"
    if head.startswith((b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")):
        return "video"
    return None


def sniff_source(source: bytes | Path) -> str | None:
    """`sniff` of a file or its bytes; None too where it can't be opened."""
    if isinstance(source, bytes):
        return sniff(source[:32])
    try:
        with open(source, "rb") as file:
            return sniff(file.read(32))
    except OSError:
        return None


def not_a(wanted: str, found: str | None) -> str:
    """The reason for a file that is not of the kind wanted."""
    article = "an" if wanted[0] in "aeiou" else "a"
    looks = f" (looks like {found})" if found not in {None, wanted} else " (its header is damaged)" if found else ""
    return f"it is not {article} {wanted}{looks}"


def probe(source: str | os.PathLike[str] | bytes, limits: Limits = LIMITS) -> MediaInfo:
    """Kind, size and length of a media file; nothing of it is decoded.

    Raises:
        MediaError: it can't be opened, or is no picture, sound or video.
    """
    opened = open_bytes(source, limits)
    kind = sniff_source(opened)
    if kind == "image":
        from sensorium.media.image import _open

        with _open(opened, limits) as image:
            return MediaInfo("image", width=image.width, height=image.height)
    if kind == "audio":
        try:
            info = soundfile.info(io.BytesIO(opened) if isinstance(opened, bytes) else str(opened))
            return MediaInfo(
                "audio", seconds=info.duration, sample_rate=info.samplerate, channels=info.channels, has_audio=True
            )
        except (soundfile.LibsndfileError, RuntimeError):
            pass  # PyAV reads more formats
    with open_container(opened) as container:
        video, audio = container.streams.video, container.streams.audio
        seconds = container.duration / av.time_base if container.duration else None
        if not video and not audio:
            raise MediaError("it holds no picture and no sound")
        sound = audio[0] if audio else None
        picture = video[0] if video else None
        return MediaInfo(
            "video" if picture else "audio",
            width=picture.codec_context.width if picture else None,
            height=picture.codec_context.height if picture else None,
            fps=float(picture.average_rate) if picture and picture.average_rate else None,
            seconds=seconds,
            sample_rate=sound.codec_context.sample_rate if sound else None,
            channels=sound.codec_context.channels if sound else None,
            has_audio=sound is not None,
        )


def open_container(source: bytes | Path) -> "av.container.InputContainer":
    """`source` opened by FFmpeg, which may follow no reference to other files out of it."""
    kind = sniff_source(source)
    if kind is None and _looks_like_text(source):
        # A playlist is text, and would make FFmpeg open whatever files it names.
        raise MediaError("it is not a media file (looks like text)")
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else f"file:{source}"
        return av.open(file, metadata_errors="replace", options={"protocol_whitelist": "file,pipe"})
    except (av.FFmpegError, ValueError, OSError) as error:
        early = "moov atom not found" in str(error) or isinstance(error, av.EOFError)
        ends = kind in {"audio", "video"} and (early or isinstance(error, av.InvalidDataError))
        raise MediaError(
            "the file ends early or its header is damaged" if ends else "it is not a media file"
        ) from error


def _looks_like_text(source: bytes | Path) -> bool:
    if isinstance(source, bytes):
        head = source[:512]
    else:
        with source.open("rb") as file:
            head = file.read(512)
    codes = np.frombuffer(head, dtype=np.uint8)
    return bool(((codes >= 32) | (codes == 9) | (codes == 10) | (codes == 13)).all() and (codes < 127).mean() > 0.9)
