"""Faces in pictures, made unrecognisable before anything is learned of them."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sensorium.errors import ConfigError, imported_for

__all__ = ["blur_faces", "find_faces", "opencv"]

LOOKED_AT = 800  # pixels of the longer side in which faces are looked for
SMALLEST = 24  # pixels of a face there, as the detectors were trained
NEIGHBOURS = 4  # overlapping finds that make a face; fewer find more, and more that is none
MARGIN = 0.25  # of a face's size, around what was found: hair and chin
LEFT = 6  # pixels that are left of a face along each side
CASCADES = ("haarcascade_frontalface_default.xml", "haarcascade_profileface.xml")


def blur_faces(image: Image.Image) -> Image.Image:
    """The picture, in which of each face that is found LEFT x LEFT colours are left.

    Args:
        image: in RGB.

    Raises:
        ConfigError: OpenCV is not installed, or has no detectors.
    """
    boxes = find_faces(image)
    if not boxes:
        return image
    found = image.copy()
    for box in boxes:
        left, top, right, bottom = box
        small = image.crop(box).resize((LEFT, LEFT), Image.Resampling.BOX)
        found.paste(small.resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))
    return found


def find_faces(image: Image.Image) -> list[tuple[int, int, int, int]]:
    """Where faces are, with a margin: (left, top, right, bottom) in pixels.

    Reference:
        Viola and Jones 2001, Rapid Object Detection using a Boosted Cascade of Simple Features; OpenCV's detectors of
        faces from the front and from both sides. They miss faces that are small, turned, covered or in the dark.
    """
    scale = min(1.0, LOOKED_AT / max(image.size))
    size = tuple(max(1, round(side * scale)) for side in image.size)
    grey = np.asarray(image.convert("L").resize(size, Image.Resampling.BOX))
    front, side = _detectors()
    found = [*_find(front, grey), *_find(side, grey)]
    mirrored = np.ascontiguousarray(grey[:, ::-1])
    found += [(grey.shape[1] - x - width, y, width, height) for x, y, width, height in _find(side, mirrored)]
    boxes = []
    for x, y, width, height in found:
        ends = (x - MARGIN * width, y - MARGIN * height, x + (1 + MARGIN) * width, y + (1 + MARGIN) * height)
        left, top, right, bottom = (round(end / scale) for end in ends)
        boxes.append((max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)))
    return boxes


def _find(detector: Any, grey: np.ndarray) -> list[tuple[int, int, int, int]]:
    found = detector.detectMultiScale(grey, 1.1, NEIGHBOURS, minSize=(SMALLEST, SMALLEST))
    return [tuple(map(int, box)) for box in found]


@cache
def opencv() -> Any:
    """The library.

    Raises:
        ConfigError: it is not installed, or without detectors of faces.
    """
    with imported_for("blurring faces", "OpenCV", "faces"):
        import cv2
    if not all((_folder(cv2) / name).is_file() for name in CASCADES):
        raise ConfigError(
            f"blurring faces needs OpenCV's face detectors, and OpenCV {cv2.__version__} has none. Install a version that "
            "has, with: pip install 'sensorium[faces]'"
        )
    cv2.setNumThreads(1)  # decoding has a process for each processor
    return cv2


def _folder(cv2: Any) -> Path:
    return Path(cv2.__file__).parent / "data"


@cache
def _detectors() -> tuple[Any, Any]:
    cv2 = opencv()
    front, side = (cv2.CascadeClassifier(str(_folder(cv2) / name)) for name in CASCADES)
    return front, side
