import io
import shutil

import numpy as np
import pytest
import soundfile
from PIL import Image
from sklearn.datasets import load_sample_images

from sensorium.data import duplicates
from sensorium.data.duplicates import difference_hash, near_pairs, shared_files
from sensorium.data.table import Table, read_table
from sensorium.media.cache import MediaCache
from sensorium.media.image import read_image
from sensorium.media.loader import MediaLoader

RANDOM = np.random.default_rng(0)


def picture(seed, height=90, width=120):
    """A part of a photo."""
    random = np.random.default_rng(seed)
    whole = load_sample_images().images[seed % 2]
    top, left = random.integers(0, 427 - height), random.integers(0, 640 - width)
    return Image.fromarray(whole[top : top + height, left : left + width])


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def same(found):
    """The rows of each file that several rows hold."""
    rows = [sorted(set(found.rows[found.files == file].tolist())) for file in set(found.files.tolist())]
    return sorted(of for of in rows if len(of) > 1)


@pytest.fixture
def folder(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / f"{name}.png").write_bytes(encoded(picture(seed), "PNG"))
    shutil.copy(tmp_path / "a.png", tmp_path / "copy.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[-1] ^= 1
    (tmp_path / "as_large.png").write_bytes(content)
    soundfile.write(tmp_path / "a.wav", RANDOM.normal(size=500) * 0.1, 8000)
    return tmp_path


@pytest.mark.parametrize("cached", [True, False])
def test_files_of_the_same_bytes_are_one(folder, cached, tmp_path):
    cells = ["a.png", "b.png", "copy.png", "as_large.png", "gone.png", "", "b.png|a.wav", "http://x.org/a.png"]
    table = read_table({"photo": cells, "again": [*[""] * 3, "a.wav", *[""] * 4]}, folder)
    loader = MediaLoader(None, MediaCache(tmp_path / "cache", 10**7) if cached else None)
    found = shared_files([table], ["photo", "again", "absent"], loader=loader)
    assert same(found) == [[0, 2], [1, 6], [3, 6]]


def test_only_files_as_large_as_another_are_hashed(folder, monkeypatch):
    hashed = []
    monkeypatch.setattr(MediaLoader, "digest", lambda self, source: hashed.append(source.name) or source.name.encode())
    shared_files([read_table({"photo": ["a.png", "b.png", "copy.png", "a.wav"]}, folder)], ["photo"])
    assert sorted(hashed) == ["a.png", "copy.png"]


def test_media_in_memory_and_of_two_tables():
    image, wave, array = picture(0), (RANDOM.normal(size=50), 8000), RANDOM.random((9, 9, 3))
    first = read_table({"x": [encoded(image), image, wave, array, array.astype(np.float32), np.zeros((4, 4))]})
    second = read_table({"x": [np.zeros((2, 8)), array.copy(), (wave[0].copy(), 8000), image.copy(), encoded(image)]})
    assert same(shared_files([first, second], ["x"])) == [[0, 10], [1, 9], [2, 8], [3, 7]]


def test_bytes_in_a_cell_are_the_file_of_the_same_bytes(folder):
    table = read_table({"photo": ["a.png", (folder / "a.png").read_bytes(), {"bytes": None, "path": "b.png"}]}, folder)
    assert same(shared_files([table], ["photo"])) == [[0, 1]]


def test_what_is_no_medium_shares_nothing(tmp_path):
    (tmp_path / "cut.png").write_bytes(encoded(picture(0), "PNG")[:3000])
    cut = [Image.open(tmp_path / "cut.png") for _ in range(2)]
    odd = [{"a": 1}, {"a": 1}, np.array([None, 1], dtype=object), 5, True, "nul\0", tmp_path, *cut]
    assert same(shared_files([read_table({"x": odd}, tmp_path)], ["x"])) == []
    for image in cut:
        image.close()


def test_pictures_of_other_palettes_differ():
    one = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).convert("P")
    other = one.copy()
    other.putpalette([level for level in range(255, -1, -1) for _ in range(3)])
    assert same(shared_files([read_table({"x": [one, other, one.copy()]})], ["x"])) == [[0, 2]]


def test_of_too_many_none_is_compared(monkeypatch):
    monkeypatch.setattr(duplicates, "MOST_FILES", 3)
    table = read_table({"x": [b"1", b"1", b"2", b"3"], "y": [b""] * 4})
    assert shared_files([table], ["x"]) is None
    assert same(shared_files([table.take([0, 1, 2])], ["x"])) == [[0, 1]]
    assert shared_files([table.take([0, 1])], ["x", "y"]) is None


def test_near_same_pictures_are_one_where_that_is_asked(tmp_path):
    versions = []
    for seed in range(12):
        image = picture(seed)
        bigger = image.resize((200, 150), Image.Resampling.BICUBIC)
        versions.append([encoded(image, "PNG"), encoded(image, quality=70), encoded(bigger, quality=90)])
    table = read_table({"photo": [content for three in versions for content in three]})
    assert same(shared_files([table], ["photo"])) == []
    found = same(shared_files([table], ["photo"], ["photo"]))
    pairs = {(row, other) for rows in found for row in rows for other in rows if row < other}
    wanted = {(3 * i + a, 3 * i + b) for i in range(12) for a, b in ((0, 1), (0, 2), (1, 2))}
    assert pairs <= wanted  # no two photos are taken for one
    assert len(pairs) >= 0.9 * len(wanted)


def test_plain_pictures_of_other_colours_are_not_near():
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 31, 30)]
    table = read_table({"photo": [encoded(Image.new("RGB", (40, 40), colour), "PNG") for colour in colours]})
    assert same(shared_files([table], ["photo"], ["photo"])) == [[0, 3]]


def test_a_picture_that_cannot_be_read_is_near_none():
    table = read_table({"photo": [b"no picture", b"not one either", encoded(picture(0)), np.zeros((0, 3))]})
    assert same(shared_files([table], ["photo"], ["photo"])) == []


def test_the_difference_hash_is_that_of_plain_loops():
    small = RANDOM.integers(0, 256, (20, 3, 8, 9), dtype=np.uint8)
    found = difference_hash(small)
    for picture, bits in zip(small.astype(float), found, strict=True):
        grey = 0.299 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2]
        wanted = [grey[y, x + 1] > grey[y, x] + 3 for y in range(8) for x in range(8)]
        assert bits.tolist() == wanted


def test_pairs_are_those_of_comparing_all_with_all(monkeypatch):
    monkeypatch.setattr(duplicates, "PAIRS", 7)  # given out in parts
    base = np.stack([read_image(picture(seed), (8, 9)) for seed in range(15)]).astype(int)
    small = np.concatenate([base + RANDOM.integers(-noise, noise + 1, base.shape) for noise in (0, 1, 2, 4, 6, 9)])
    small = np.clip(small, 0, 255).astype(np.uint8)
    bits, flat = difference_hash(small), small.reshape(len(small), -1).astype(np.float64)
    far = duplicates.NEAR_LEVELS + duplicates.NEAR_CONTRAST * flat.std(1)
    wanted = {
        (i, j)
        for i in range(len(small))
        for j in range(i + 1, len(small))
        if (bits[i] != bits[j]).sum() <= duplicates.NEAR_BITS
        and np.sqrt(((flat[i] - flat[j]) ** 2).mean()) <= min(far[i], far[j])
    }
    parts = list(near_pairs(small))
    found = {(min(p), max(p)) for first, second in parts for p in zip(first.tolist(), second.tolist(), strict=True)}
    assert found == wanted
    assert 50 < len(wanted) < 600
    assert len(parts) > 1


def test_a_table_without_media_shares_none(tmp_path):
    found = shared_files([Table(read_table({"a": [1, 2]}).source, tmp_path)], [])
    assert same(found) == []
