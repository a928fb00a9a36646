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
    **dict.fromkeys(
        [".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"], "image"
    ),
    **dict.fromkeys([".aac", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"], "audio"),
    **dict.fromkeys([".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"], "video"),
}


DAMAGED = "the file ends early or its header is damaged"
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
PICTURE_BRANDS = HEIF_BRANDS | {b"avif", b"avis"}
# FFmpeg's names of the formats that hold sound and pictures. Others read playlists, which name files to be opened,
# or devices.
DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,av1,avi,caf,dts,dv,eac3,flac,flv,gxf,h263,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mp3,mpeg,"
    "mpegts,mpegvideo,mxf,nut,obu,ogg,rm,tta,w64,wav,wv,yuv4mpegpipe"
)


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
    codec: str | None = None  # of the picture


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
        return "image" if brand in PICTURE_BRANDS else "audio" if brand[:3] == b"M4A" else "video"
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
    return f"it is not {article} {wanted}" + (f" (looks like {found})" if found not in {None, wanted} else "")


def probe(source: str | os.PathLike[str] | bytes, limits: Limits = LIMITS) -> MediaInfo:
    """Kind, size and length of a media file; nothing of it is decoded.

    Raises:
        MediaError: it can't be opened, or is no picture, sound or video.
    """
    opened = open_bytes(source, limits)
    kind = sniff_source(opened)
    if kind == "image":
        from sensorium.media.image import open_image, upright  # which needs this module

        with open_image(opened, limits) as image:
            width, height = upright(image)
            return MediaInfo("image", width=width, height=height)
    if kind == "audio":
        try:
            with (
                io.BytesIO(opened) if isinstance(opened, bytes) else open(opened, "rb") as file,
                soundfile.SoundFile(file) as info,
            ):
                seconds, rate, channels = info.frames / info.samplerate, info.samplerate, info.channels
            return MediaInfo("audio", seconds=seconds, sample_rate=rate, channels=channels, has_audio=True)
        except (soundfile.LibsndfileError, RuntimeError):
            pass  # PyAV reads more formats
    with open_container(opened) as container:
        video, audio = container.streams.video, container.streams.audio
        seconds = container.duration / av.time_base if container.duration else None
        if not video and not audio:
            raise MediaError("it holds no picture and no sound")
        sound = audio[0] if audio else None
        picture = video[0] if video else None
        for stream in filter(None, (sound, picture)):
            if stream.codec_context is None:
                raise MediaError(f"there is no decoder for its {'sound' if stream is sound else 'picture'}")
        return MediaInfo(
            "video" if picture else "audio",
            width=picture.codec_context.width if picture else None,
            height=picture.codec_context.height if picture else None,
            fps=float(picture.average_rate) if picture and picture.average_rate else None,
            seconds=seconds,
            sample_rate=sound.codec_context.sample_rate if sound else None,
            channels=sound.codec_context.channels if sound else None,
            has_audio=sound is not None,
            codec=picture.codec_context.name if picture else None,
        )


def said_frames(source: bytes | Path) -> int | None:
    """How many samples of each channel the header of a WAV or AIFF file says; libsndfile tells only how many there are.

    None: it is no such file, or the header leaves it open, as that of a recording written to a pipe does.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        order = {b"RIFFWAVE": "little", b"FORMAIFF": "big"}.get((head := file.read(12))[:4] + head[8:])
        if order is None:
            return None
        frame = 0  # bytes of one sample of all channels
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], order)
            if name == b"data" and order == "little":
                return size // frame if frame and size < 0x7FFFF000 else None
            if name in {b"fmt ", b"COMM"}:
                chunk = file.read(size + size % 2) if size < 4096 else b""
                if order == "big":
                    return int.from_bytes(chunk[2:6], order)
                frame = int.from_bytes(chunk[12:14], order)
            else:
                file.seek(size + size % 2, io.SEEK_CUR)
    return None


def open_container(source: bytes | Path) -> "av.container.InputContainer":
    """`source` opened by FFmpeg, which may follow no reference to other files out of it."""
    kind = sniff_source(source)
    if kind is None and _looks_like_text(source):
        raise MediaError("it is not a media file (looks like text)")
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    try:
        return av.open(_ffmpeg_name(source), metadata_errors="replace", options=options)
    except (av.FFmpegError, ValueError, OSError) as error:
        if isinstance(error, MemoryError):
            raise MediaError("its header asks for more memory than there is") from error
        early = "moov atom not found" in str(error) or isinstance(error, av.EOFError)
        ends = kind in {"audio", "video"} and (early or isinstance(error, av.InvalidDataError))
        raise MediaError(DAMAGED if ends else "it is not a media file") from error


def _ffmpeg_name(source: bytes | Path) -> str | io.BytesIO:
    """What PyAV opens: a name, which FFmpeg reads much faster, where it is one that can be written in UTF-8."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        str(source).encode()
    except UnicodeEncodeError:
        return io.BytesIO(source.read_bytes())
    return f"file:{source}"


def _looks_like_text(source: bytes | Path) -> bool:
    if isinstance(source, bytes):
        head = source[:512]
    else:
        with source.open("rb") as file:
            head = file.read(512)
    codes = np.frombuffer(head, dtype=np.uint8)
    return bool(((codes >= 32) | (codes == 9) | (codes == 10) | (codes == 13)).all() and (codes < 127).mean() > 0.9)
