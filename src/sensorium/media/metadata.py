"""Pictures' files without what stands beside the picture: place, time, camera, names, a small copy of the whole."""

import io

from PIL import Image

from sensorium.errors import MediaError
from sensorium.media.faces import blur_faces
from sensorium.media.image import TURNS, open_image, orientation, to_rgb
from sensorium.media.limits import Limits

__all__ = ["without_metadata"]

QUALITY = 95  # of JPEG
# What a file may say beside its pixels and is left as it is: the rest, known or not, has it written anew.
PLAIN = {
    "adobe", "adobe_transform", "dpi", "gamma", "interlace", "jfif", "jfif_density", "jfif_unit", "jfif_version",
    "progression", "progressive", "srgb", "transparency",
}  # fmt: skip
ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}  # after which some cameras write more


def without_metadata(source: bytes, limits: Limits, faces: bool = False) -> bytes:
    """A picture's file written anew, upright, of its pixels alone, where it holds more: JPEG where it was one, else PNG.

    Args:
        source: the file's bytes.
        limits: checked before decoding.
        faces: those that are found are blurred.

    Raises:
        MediaError: it is no picture, or a damaged one.
    """
    with open_image(source, limits) as image:
        try:
            image.load()
            if not faces and _plain(image, source):
                return source
            written, turn = image.format, orientation(image)
            pixels = to_rgb(image)
        except (MediaError, MemoryError):
            raise
        except Exception as error:  # Pillow's decoders raise whatever comes, see `media.image`
            raise MediaError("the picture is damaged") from error
    if turn in TURNS:
        pixels = pixels.transpose(TURNS[turn])
    if faces:
        pixels = blur_faces(pixels)
    clean = Image.frombytes("RGB", pixels.size, pixels.tobytes())
    file = io.BytesIO()
    if written in {"JPEG", "MPO"}:
        clean.save(file, "JPEG", quality=QUALITY)
    else:
        clean.save(file, "PNG")
    return file.getvalue()


def _plain(image: Image.Image, source: bytes) -> bool:
    """Whether a loaded picture's file holds nothing but the picture."""
    segments = {name for name, _ in getattr(image, "applist", ())}  # of JPEG
    chunks = getattr(image, "private_chunks", ())  # of PNG
    ended = image.format in ENDS and source.endswith(ENDS[image.format])
    return ended and set(image.info) <= PLAIN and segments <= {"APP0", "APP14"} and not chunks and not image.getexif()
