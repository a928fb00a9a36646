"""Pictures' files without place, time and camera."""

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from sensorium.errors import MediaError
from sensorium.media.image import read_image
from sensorium.media.limits import LIMITS
from sensorium.media.metadata import without_metadata

MARK = b"SECRETPLACE"
GPS = 0x8825


def picture():
    """Wider than high, smooth, so that JPEG keeps it."""
    x, y = np.meshgrid(np.linspace(0, 200, 48), np.linspace(0, 50, 32))
    return Image.fromarray(np.stack([x, y, x / 2 + y], axis=2).astype(np.uint8))


def located(turn=1):
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = MARK.decode(), turn
    exif[GPS] = {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0), 18: "SECRETPLACE datum"}
    return exif


def file(image, kind, **more):
    written = io.BytesIO()
    image.save(written, kind, **more)
    return written.getvalue()


def text_chunk():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", MARK.decode())
    return info


WITH = {
    "JPEG, EXIF": lambda: file(picture(), "JPEG", exif=located(), quality=95),
    "JPEG, a comment": lambda: file(picture(), "JPEG", comment=MARK, quality=95),
    "JPEG, XMP": lambda: file(picture(), "JPEG", xmp=b"<x>" + MARK + b"</x>", quality=95),
    "JPEG, more behind it": lambda: file(picture(), "JPEG", quality=95) + MARK,
    "PNG, EXIF": lambda: file(picture(), "PNG", exif=located()),
    "PNG, text": lambda: file(picture(), "PNG", pnginfo=text_chunk()),
    "WebP, EXIF": lambda: file(picture(), "WEBP", exif=located(), lossless=True),
    "TIFF, a description": lambda: file(picture(), "TIFF", description=MARK.decode()),
}


@pytest.mark.parametrize("name", WITH)
def test_what_stands_beside_the_picture_goes_and_the_picture_stays(name):
    source = WITH[name]()
    assert MARK in source
    clean = without_metadata(source, LIMITS)
    assert MARK not in clean
    image = Image.open(io.BytesIO(clean))
    assert not image.getexif()
    before, after = (read_image(one, (32, 48)).astype(int) for one in (source, clean))
    assert np.abs(before - after).max() <= (6 if name.startswith("JPEG") else 0)


def test_a_sideways_picture_stands_upright_afterwards():
    source = file(picture(), "JPEG", exif=located(turn=6), quality=95)
    clean = without_metadata(source, LIMITS)
    assert Image.open(io.BytesIO(clean)).size == (32, 48)
    assert np.abs(read_image(source, (48, 32)).astype(int) - read_image(clean, (48, 32))).max() <= 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_of_pixels_alone_stays_as_it_is(kind):
    source = file(picture(), kind)
    assert without_metadata(source, LIMITS) is source


def test_what_is_no_picture_or_a_broken_one():
    with pytest.raises(MediaError, match="it is not an image"):
        without_metadata(b"%PDF-1.4 nothing", LIMITS)
    with pytest.raises(MediaError, match=r"the file ends early|the picture is damaged"):
        without_metadata(file(picture(), "JPEG", exif=located())[:-20], LIMITS)
