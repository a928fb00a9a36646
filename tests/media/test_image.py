"""Pictures: every format and mode to the same pixels that Pillow, or a formula, gives."""

import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from sensorium.errors import MediaError
from sensorium.media import Limits, probe, read_image

RANDOM = np.random.default_rng(0)
# Smooth, so that lossy formats stay close and scaling can be checked.
Y, X = np.mgrid[0:40, 0:60]
SMOOTH = np.stack([4 * X, 6 * Y, 255 - 2 * (X + Y)], 2).clip(0, 255).astype(np.uint8)
SMALL = RANDOM.integers(0, 256, (12, 18, 3), dtype=np.uint8)


def saved(image, name, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def chw(image) -> np.ndarray:
    return np.asarray(image).transpose(2, 0, 1)


@pytest.mark.parametrize("name", ["PNG", "BMP", "TIFF", "PPM", "TGA", "GIF", "WEBP", "JPEG", "JPEG2000", "AVIF", "ICO"])
def test_formats(name, tmp_path):
    options = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 98},
        "AVIF": {"quality": 95},
        "ICO": {"sizes": [(60, 40)]},
    }
    content = saved(Image.fromarray(SMOOTH), name, **options.get(name, {}))
    got = read_image(content, (40, 60))
    exact = name not in {"GIF", "JPEG", "JPEG2000", "AVIF"}
    assert np.abs(got.astype(int) - SMOOTH.transpose(2, 0, 1)).max() <= (0 if exact else 26 if name == "GIF" else 8)
    path = tmp_path / "wrongly named.mp3"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(path, (40, 60)), got)


def test_heic(monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(SMOOTH)).save(file, quality=95)
    got = read_image(file.getvalue(), (40, 60))
    assert np.abs(got.astype(int) - SMOOTH.transpose(2, 0, 1)).max() <= 10
    assert (probe(file.getvalue()).width, probe(file.getvalue()).height) == (60, 40)


def test_heic_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    monkeypatch.setattr(Image, "OPEN", {name: opener for name, opener in Image.OPEN.items() if name != "HEIF"})
    content = b"\x00\x00\x00\x18ftypheic" + bytes(40)
    with pytest.raises(MediaError, match=r"^it is a HEIC picture: pip install 'sensorium\[heic\]' lets it be read$"):
        read_image(content, (4, 4))


@pytest.mark.parametrize("size", [(30, 40), (100, 7), (1, 1), (75, 100)])
def test_a_jpeg_is_decoded_small_and_scaled(size):
    """Against Pillow by hand, with the decoder's own scaling; and the whole picture, scaled, is near."""
    large = Image.fromarray(SMOOTH).resize((600, 400), Image.Resampling.BICUBIC)
    content = saved(large, "JPEG", quality=95)
    with Image.open(io.BytesIO(content)) as image:
        image.draft("RGB", (size[1], size[0]))
        expected = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=2.0)
        assert size[0] == 100 or image.width < 600
    got = read_image(content, size)
    np.testing.assert_array_equal(got, chw(expected))
    whole = large.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    assert size == (1, 1) or np.abs(got.astype(int) - chw(whole)).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_are_turned_as_their_exif_data_say(orientation, name):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(SMOOTH), name, exif=exif, **{"JPEG": {"quality": 98}}.get(name, {"lossless": True}))
    by_hand = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation](SMOOTH)
    got = read_image(content, by_hand.shape[:2])
    assert np.abs(got.astype(int) - chw(by_hand)).max() <= 8
    info = probe(content)
    assert (info.height, info.width) == by_hand.shape[:2]
    with Image.open(io.BytesIO(content)) as image:
        small = ImageOps.exif_transpose(image).resize((16, 12), Image.Resampling.BILINEAR)
    assert np.abs(read_image(content, (12, 16)).astype(int) - chw(small)).max() <= 8


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")  # Pillow's; a program of its own doesn't show it
def test_damaged_exif_data_do_no_harm():
    content = saved(Image.fromarray(SMOOTH), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x00\x01")
    expected = read_image(saved(Image.fromarray(SMOOTH), "JPEG"), (40, 60))
    np.testing.assert_array_equal(read_image(content, (40, 60)), expected)


def test_grey_and_black_and_white():
    grey = SMALL[:, :, 0]
    assert (read_image(saved(Image.fromarray(grey), "PNG"), (12, 18)) == grey).all()
    bits = grey > 127
    assert (read_image(saved(Image.fromarray(bits), "PNG"), (12, 18)) == bits * 255).all()


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_16_bits(name):
    deep = RANDOM.integers(0, 65536, (12, 18), dtype=np.uint16)
    got = read_image(saved(Image.fromarray(deep), name), (12, 18))
    assert np.abs(got - deep / 65535 * 255).max() <= 0.5 + 1e-3
    shallow = RANDOM.integers(0, 256, (12, 18), dtype=np.uint16)  # 8-bit values in 16
    assert (read_image(saved(Image.fromarray(shallow), name), (12, 18)) == shallow).all()


def test_numbers_with_a_point():
    values = RANDOM.uniform(0, 1, (12, 18)).astype(np.float32)
    values[0, 0] = 1
    assert np.abs(read_image(saved(Image.fromarray(values), "TIFF"), (12, 18)) - values * 255).max() <= 0.5 + 1e-3
    values[3, 4] = np.nan
    with pytest.raises(MediaError, match="it holds values that are not finite"):
        read_image(saved(Image.fromarray(values), "TIFF"), (12, 18))


def test_palettes_with_and_without_transparency():
    palette = Image.fromarray(SMALL).quantize(64)
    expected = chw(palette.convert("RGB"))
    np.testing.assert_array_equal(read_image(saved(palette, "PNG"), (12, 18)), expected)
    index = palette.getpixel((3, 2))
    clear = np.asarray(palette) == index
    got = read_image(saved(palette, "PNG", transparency=index), (12, 18))
    np.testing.assert_array_equal(got, np.where(clear, 255, expected))


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_transparency_goes_on_white(name):
    alpha = RANDOM.integers(0, 256, (12, 18, 1))
    pixels = np.concatenate([SMALL, alpha], 2).astype(np.uint8)
    got = read_image(
        saved(Image.fromarray(pixels), name, **({"lossless": True, "exact": True} if name == "WEBP" else {})), (12, 18)
    )
    expected = SMALL * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(got - chw(expected)).max() <= 1


def test_what_is_transparent_has_no_colour_when_scaled():
    """Red that nobody sees must not tint the edge of what is seen."""
    pixels = np.zeros((40, 40, 4), dtype=np.uint8)
    pixels[:, :20], pixels[:, 20:] = (255, 0, 0, 0), (0, 0, 255, 255)
    got = read_image(saved(Image.fromarray(pixels), "PNG"), (4, 7)).astype(int)
    assert np.abs(got[0] - got[1]).max() <= 1  # on white, blue and white mix: red and green stay equal


def test_cmyk():
    """Ink: 255 is full, as in the four corners of the colour space."""
    inks = [
        (0, 0, 0, 0),
        (255, 0, 0, 0),
        (0, 255, 0, 0),
        (0, 0, 255, 0),
        (255, 255, 0, 0),
        (0, 0, 0, 255),
        (0, 0, 0, 128),
    ]
    colours = [(255, 255, 255), (0, 255, 255), (255, 0, 255), (255, 255, 0), (0, 0, 255), (0, 0, 0), (127, 127, 127)]
    for ink, colour in zip(inks, colours, strict=True):
        for name, options in (("TIFF", {}), ("JPEG", {"quality": 98})):
            got = read_image(saved(Image.new("CMYK", (64, 64), ink), name, **options), (8, 8))
            assert np.abs(got.astype(int) - np.array(colour)[:, None, None]).max() <= 4


@pytest.mark.parametrize("mode", ["YCbCr", "LAB", "HSV"])
def test_other_colour_spaces(mode):
    image = Image.fromarray(SMOOTH).convert(mode) if mode != "LAB" else Image.new("LAB", (60, 40), (128, 0, 0))
    got = read_image(image, (40, 60))
    np.testing.assert_array_equal(got, chw(image.convert("RGB")))


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_of_an_animation(name):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    content = saved(frames[0], name, save_all=True, append_images=frames[1:])
    got = read_image(content, (16, 16)).astype(int)
    assert np.abs(got - np.array([250, 0, 0])[:, None, None]).max() <= 5


def test_arrays_and_pictures_in_memory():
    np.testing.assert_array_equal(read_image(SMALL, (12, 18)), chw(SMALL))
    np.testing.assert_array_equal(read_image(chw(SMALL), (12, 18)), chw(SMALL))
    np.testing.assert_array_equal(read_image(SMALL / 255, (12, 18)), chw(SMALL))
    np.testing.assert_array_equal(read_image(Image.fromarray(SMALL), (12, 18)), chw(SMALL))
    assert (read_image(SMALL[:, :, 0] > 100, (12, 18)) == 255 * (SMALL[:, :, 0] > 100)).all()
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(saved(Image.fromarray(SMALL), "PNG", exif=exif))) as turned:
        np.testing.assert_array_equal(read_image(turned, (18, 12)), chw(np.rot90(SMALL, -1)))
        assert turned.size == (18, 12)  # Pillow's (width, height): the caller's picture is as it was


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((2, 3, 5)), r"a picture must be \(H, W\), \(H, W, 3 or 4\) or \(3, H, W\); got \(2, 3, 5\)"),
        (np.zeros((0, 3)), r"a picture must be .* got \(0, 3\)"),
        (np.full((4, 4), np.nan), "a picture must have finite values"),
        (np.full((4, 4), 1.5), r"a picture of floats must lie in 0\.\.1; got 1\.5\.\.1\.5"),
        (np.full((4, 4), 256), r"a picture of whole numbers must lie in 0\.\.255; got 256\.\.256"),
    ],
)
def test_arrays_that_are_no_pictures(values, reason):
    with pytest.raises(MediaError, match=reason):
        read_image(values, (4, 4))


def test_files_that_are_no_pictures(tmp_path):
    png = saved(Image.fromarray(SMALL), "PNG")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.png").write_text("a thousand words")
    (tmp_path / "sound.png").write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt ")
    (tmp_path / "cut.png").write_bytes(png[: len(png) // 2])
    (tmp_path / "head.png").write_bytes(png[:20])
    reasons = {
        "none.png": "no such file",
        "folder.png": "it is a folder",
        "empty.png": "the file is empty",
        "words.png": "it is not an image",
        "sound.png": r"it is not an image \(looks like audio\)",
        "cut.png": "the file ends early",
        "head.png": "the file ends early or its header is damaged",
    }
    for name, reason in reasons.items():
        with pytest.raises(MediaError, match=f"^{reason}$"):
            read_image(tmp_path / name, (4, 4))


def test_a_drawing_program_is_not_run():
    """EPS is a program, which Pillow would give to Ghostscript."""
    eps = saved(Image.fromarray(SMALL), "EPS")
    with pytest.raises(MediaError, match="it is not an image"):
        read_image(eps, (4, 4))


def test_limits_hold_before_anything_is_decoded():
    png = bytearray(saved(Image.fromarray(SMALL), "PNG"))
    png[16:24] = struct.pack("!II", 50_000, 20_000)  # the header says 10^9 pixels
    with pytest.raises(
        MediaError,
        match=r"^50000x20000 pixels are over the limit of 200000000$|the file ends early or its header is damaged",
    ):
        read_image(bytes(png), (4, 4))
    bmp = bytearray(saved(Image.fromarray(SMALL), "BMP"))
    bmp[18:26] = struct.pack("<ii", 50_000, 20_000)
    with pytest.raises(MediaError, match=r"^50000x20000 pixels are over the limit of 200000000$"):
        read_image(bytes(bmp), (4, 4))
    with pytest.raises(MediaError, match=r"^18x12 pixels are over the limit of 215$"):
        read_image(SMALL, (4, 4), Limits(max_pixels=215))
