"""Pictures: bytes to an array of the size asked for."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from sensorium.errors import MediaError
from sensorium.media.limits import LIMITS, Limits, check_pixels, open_bytes
from sensorium.media.probe import DAMAGED, HEIF_BRANDS, not_a, sniff_source

__all__ = ["open_image", "orientation", "read_image", "to_rgb", "upright"]

ImageSource = str | os.PathLike[str] | bytes | np.ndarray | Image.Image
Image.MAX_IMAGE_PIXELS = None  # `check_pixels` does it, with the limit of the configuration
# Of damaged EXIF data and palettes: the picture is there all the same.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Pillow reads more, but EPS runs Ghostscript, and others are rare enough to be attacks only.
FORMATS = ["AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP"]
Image.init()  # makes them all known, which `open` does only where none of the usual ones fits
ORIENTATION = 0x0112  # the EXIF tag
SIDEWAYS = {5, 6, 7, 8}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(
    source: ImageSource, size: tuple[int, int], limits: Limits = LIMITS, blurred: bool = False
) -> np.ndarray:
    """A picture as uint8 (3, height, width), resized straight to `size`.

    JPEGs are decoded at the nearest smaller scale (`draft`); EXIF rotation is applied, transparency goes on white, the
    first frame of an animation is taken, grey, palette, CMYK and 16-bit pictures become RGB.

    Args:
        source: a path, a file's bytes, a PIL image, or an array (H, W), (H, W, 3 or 4) or (3, H, W), uint8 or 0..1.
        size: (height, width) in pixels.
        limits: checked before decoding.
        blurred: faces are looked for in the whole picture, and blurred.

    Raises:
        MediaError: with the reason, for whatever can't be read.
    """
    if isinstance(source, np.ndarray):
        image = from_array(source)
    elif isinstance(source, Image.Image):
        image = source
    else:
        with open_image(open_bytes(source, limits), limits) as image:
            return _read(image, size, True, blurred)
    check_pixels(image.width, image.height, limits)
    return _read(image, size, False, blurred)


def open_image(source: bytes | Path, limits: Limits) -> Image.Image:
    """A file's header read, its size within the limits, nothing decoded.

    Raises:
        MediaError: it is no picture, or too large a one.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        image = Image.open(file, formats=FORMATS)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever comes (SyntaxError, struct.error, IndexError, ...)
        if not _is_heif(source):
            raise _no_picture(source) from error
        image = _open_heif(file)
    try:
        check_pixels(image.width, image.height, limits)
    except MediaError:
        image.close()
        raise
    return image


def _is_heif(source: bytes | Path) -> bool:
    if isinstance(source, bytes):
        head = source[:12]
    else:
        with open(source, "rb") as file:
            head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:] in HEIF_BRANDS


def _open_heif(file: io.BytesIO | Path) -> Image.Image:
    try:
        import pillow_heif
    except ImportError as error:
        raise MediaError("it is a HEIC picture: pip install 'sensorium[heic]' lets it be read") from error
    pillow_heif.register_heif_opener()
    try:
        return Image.open(file, formats=["HEIF"])
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise MediaError(DAMAGED) from error


def _no_picture(source: bytes | Path) -> MediaError:
    kind = sniff_source(source)
    return MediaError(DAMAGED if kind == "image" else not_a("image", kind))


def _read(image: Image.Image, size: tuple[int, int], file: bool, blurred: bool) -> np.ndarray:
    """An opened picture as uint8 (3, height, width)."""
    try:
        if file:
            if image.format in {"JPEG", "MPO"} and not blurred:
                image.draft("RGB", _before(orientation(image), size))
            image.load()
        turn = orientation(image)  # again: some formats are turned as they are loaded
        image = to_rgb(image, None if blurred else _before(turn, size))
        if turn in TURNS:
            image = image.transpose(TURNS[turn])
        if blurred:
            from sensorium.media.faces import blur_faces  # here: OpenCV is an extra

            image = _scaled(blur_faces(image), size[::-1])
    except (MediaError, MemoryError):
        raise
    except Exception as error:  # as above
        raise MediaError(_reason(error)) from error
    return np.stack([np.asarray(band) for band in image.split()])  # (3, H, W), twice as fast as a transposition


def upright(image: Image.Image) -> tuple[int, int]:
    """(width, height) of an opened picture as it is to be seen; Pillow tells a TIFF file's so already."""
    width, height = image.size
    return (height, width) if image.format != "TIFF" and orientation(image) in SIDEWAYS else (width, height)


def orientation(image: Image.Image) -> int:
    """1 to 8; 1 where the EXIF data are damaged."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # as above; the picture is there all the same
        return 1


def _before(turn: int, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) to scale to, so that the picture, turned, is (height, width) of `size`."""
    height, width = size
    return (height, width) if turn in SIDEWAYS else (width, height)


def to_rgb(image: Image.Image, size: tuple[int, int] | None = None) -> Image.Image:
    """The picture in RGB, scaled to (width, height); 16-bit values are scaled, transparency is laid on white."""
    size = size or image.size
    if image.mode in {"I;16", "I;16B", "I;16L", "I;16N", "I", "F"}:
        values = np.asarray(image, dtype=np.float32)
        if not np.isfinite(values).all():
            raise MediaError("it holds values that are not finite")
        top = values.max(initial=0)
        full = 1.0 if image.mode == "F" and top <= 1 else 255.0 if top <= 255 else 65535.0
        small = np.asarray(_scaled(Image.fromarray(values), size))
        return Image.fromarray(np.clip(np.rint(small * (255.0 / full)), 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        clear = _scaled(image.convert("RGBA"), size)  # Pillow weighs the colours by their alpha
        white = Image.new("RGB", size, (255, 255, 255))
        white.paste(clear, mask=clear.getchannel("A"))
        return white
    if image.mode not in {"L", "RGB"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    return _scaled(image, size).convert("RGB")


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def from_array(values: np.ndarray) -> Image.Image:
    """An array of pixels as a PIL image."""
    if values.ndim == 3 and values.shape[0] in {1, 3} and values.shape[2] not in {1, 3, 4}:
        values = values.transpose(1, 2, 0)  # (H, W, C)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in {2, 3} or (values.ndim == 3 and values.shape[2] not in {3, 4}) or not values.size:
        raise MediaError(f"a picture must be (H, W), (H, W, 3 or 4) or (3, H, W); got {tuple(values.shape)}")
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    elif np.issubdtype(values.dtype, np.floating):
        if not np.isfinite(values).all():
            raise MediaError("a picture must have finite values")
        if values.max() > 1 or values.min() < 0:
            raise MediaError(f"a picture of floats must lie in 0..1; got {values.min():g}..{values.max():g}")
        values = (values * 255).round()
    elif values.min() < 0 or values.max() > 255:
        raise MediaError(f"a picture of whole numbers must lie in 0..255; got {values.min()}..{values.max()}")
    return Image.fromarray(np.ascontiguousarray(values, dtype=np.uint8))


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split())
    if "truncated" in words or "broken data stream" in words or "incomplete" in words.lower():
        return "the file ends early"
    return f"the picture is damaged ({words or type(error).__name__})"
