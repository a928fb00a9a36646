"""Faces in pictures that are drawn, blurred before they are read."""

import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

pytest.importorskip("cv2", reason="blurring faces needs 'sensorium[faces]'")

from sensorium.data.media_readers import ImageReader
from sensorium.errors import ConfigError
from sensorium.media import faces
from sensorium.media.decode import decode
from sensorium.media.faces import blur_faces, find_faces
from sensorium.media.limits import LIMITS
from sensorium.media.pool import DecoderPool

AT, SIZE = (100, 60), 120


def face():
    """A picture with a drawn face."""
    image = Image.new("RGB", (320, 240), (120, 130, 140))
    draw, unit = ImageDraw.Draw(image), SIZE / 100

    def ellipse(x, y, width, height, colour):
        left, top = AT[0] + unit * (x - width), AT[1] + unit * (y - height)
        draw.ellipse([left, top, left + 2 * unit * width, top + 2 * unit * height], fill=colour)

    ellipse(50, 50, 42, 56, (70, 45, 30))
    ellipse(50, 56, 36, 46, (222, 180, 150))
    for x in (34, 66):
        ellipse(x, 44, 11, 3, (90, 60, 45))
        ellipse(x, 50, 9, 6, (150, 110, 90))
        ellipse(x, 50, 6, 4, (60, 40, 30))
    nose = [(50, 48), (44, 68), (56, 68)]
    draw.polygon([(AT[0] + unit * x, AT[1] + unit * y) for x, y in nose], fill=(235, 195, 165))
    ellipse(50, 69, 8, 3, (170, 120, 100))
    ellipse(50, 82, 14, 4, (150, 70, 70))
    return image.filter(ImageFilter.GaussianBlur(2))


def test_a_face_is_found_where_it_is():
    boxes = find_faces(face())
    assert boxes
    for left, top, right, bottom in boxes:
        assert left < AT[0] + SIZE / 2 < right
        assert top < AT[1] + SIZE / 2 < bottom
    assert find_faces(Image.new("RGB", (100, 80), (200, 200, 200))) == []
    assert find_faces(Image.new("RGB", (1, 1))) == []


def test_what_is_found_is_blurred_and_no_more():
    image = face()
    before, after = (np.asarray(picture, dtype=float) for picture in (image, blur_faces(image)))
    eyes = slice(AT[1] + 50, AT[1] + 70), slice(AT[0] + 30, AT[0] + 90)
    assert np.ptp(after[eyes].mean(2)) < 0.5 * np.ptp(before[eyes].mean(2))
    assert np.array_equal(after[:10], before[:10])
    assert np.array_equal(after[:, :25], before[:, :25])
    assert blur_faces(image) is not image
    clear = Image.new("RGB", (100, 80), (200, 200, 200))
    assert blur_faces(clear) is clear


def test_decoding_blurs_where_it_is_asked_to(tmp_path):
    path = tmp_path / "face.png"
    face().save(path)
    size = {"size": (240, 320)}
    plain = decode("image", path, size).values
    blurred = decode("image", path, {**size, "faces": "blur"}).values
    expected = np.asarray(blur_faces(Image.open(path).convert("RGB"))).transpose(2, 0, 1)
    assert np.array_equal(blurred, expected)
    assert not np.array_equal(plain, blurred)


def test_a_decoding_process_blurs_within_its_memory(tmp_path):
    path, options = tmp_path / "face.png", {"size": (24, 32), "faces": "blur"}
    face().save(path)
    pool = DecoderPool(1, 60.0, 2048)
    try:
        found = pool.submit("image", path, options, LIMITS).result().values
    finally:
        pool.close()
    assert np.array_equal(found, decode("image", path, options).values)


def test_the_reader_keeps_it_and_the_cache_tells_it_apart():
    reader = ImageReader("photo", size=(8, 8), faces="blur")
    again = ImageReader.restore(reader.state())
    assert again.options == {"size": (8, 8), "faces": "blur"}
    assert reader.recipe.digest == again.recipe.digest != ImageReader("photo", size=(8, 8)).recipe.digest


def test_without_opencv_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(faces, "opencv", faces.opencv.__wrapped__)
    monkeypatch.setitem(sys.modules, "cv2", None)
    message = r"blurring faces needs OpenCV\. Install it with: pip install 'sensorium\[faces\]'"
    with pytest.raises(ConfigError, match=message):
        ImageReader("photo", size=(8, 8), faces="blur")


def test_an_opencv_without_detectors_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(faces, "opencv", faces.opencv.__wrapped__)
    monkeypatch.setattr(faces, "_folder", lambda cv2: tmp_path)
    with pytest.raises(ConfigError, match=r"OpenCV's face detectors, and OpenCV .* has none"):
        ImageReader("photo", size=(8, 8), faces="blur")
