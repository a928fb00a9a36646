"""Pictures: bytes to an array of the size asked for."""

import io
import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from sensorium.errors import MediaError
from sensorium.media.limits import LIMITS, Limits, check_pixels, open_bytes
from sensorium.media.probe import not_a, sniff_source

__all__ = ["read_image"]

ImageSource = str | os.PathLike[str] | bytes | np.ndarray | Image.Image
Image.MAX_IMAGE_PIXELS = None  # `check_pixels` does it, with the limit of the configuration


def read_image(source: ImageSource, size: tuple[int, int], limits: Limits = LIMITS) -> np.ndarray:
    """A picture as uint8 (3, height, width), resized straight to `size`.

    JPEGs are decoded at the nearest smaller scale (`draft`); EXIF rotation is applied, transparency goes on white, the
    first frame of an animation is taken, grey, palette, CMYK and 16-bit pictures become RGB.

    Args:
        source: a path, a file's bytes, a PIL image, or an array (H, W), (H, W, 3 or 4) or (3, H, W), uint8 or 0..1.
        size: (height, width) in pixels.
        limits: checked before decoding.

    Raises:
        MediaError: with the reason, for whatever can't be read.
    """
    height, width = size
    if isinstance(source, np.ndarray):
        image = from_array(source)
    elif isinstance(source, Image.Image):
        image = source
    else:
        with _open(open_bytes(source, limits), limits) as image:
            return _read(image, (height, width), draft=True)
    check_pixels(image.width, image.height, limits)
    return _read(image, (height, width), draft=False)


def _read(image: Image.Image, size: tuple[int, int], draft: bool) -> np.ndarray:
    """An opened picture as uint8 (3, height, width)."""
    height, width = size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of Pillow, on damaged EXIF and palettes: the picture is there all the same
            if draft:
                image.draft("RGB", (width, height))
                image.load()
            image = ImageOps.exif_transpose(image)
            image = to_rgb(image)
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    except MediaError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever comes (SyntaxError, struct.error, IndexError, ...)
        raise MediaError(_reason(error)) from error
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))  # (3, H, W)


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in RGB; 16-bit values are scaled, transparency is laid on white."""
    if image.mode in {"I;16", "I;16B", "I;16L", "I", "F"}:
        values = np.asarray(image, dtype=np.float64)
        top = 255.0 if values.max(initial=0) <= 255 else 65535.0
        image = Image.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8))
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        clear = image.convert("RGBA")
        image = Image.new("RGB", clear.size, (255, 255, 255))
        image.paste(clear, mask=clear.getchannel("A"))
    return image if image.mode == "RGB" else image.convert("RGB")


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


def _open(source, limits: Limits) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except Exception as error:
        raise MediaError(not_a("image", sniff_source(source))) from error
    try:
        check_pixels(image.width, image.height, limits)
    except MediaError:
        image.close()
        raise
    return image


def _reason(error: Exception) -> str:
    words = str(error)
    if "truncated" in words or "broken data stream" in words or "incomplete" in words.lower():
        return "the file ends early"
    return f"the picture is damaged ({words or type(error).__name__})"
