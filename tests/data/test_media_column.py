"""A media input of a table: decoded once, found again by key, never another row's."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sensorium.data.media_column import Allowance, MediaColumn
from sensorium.data.media_readers import AudioReader, ImageReader, VideoReader
from sensorium.data.problems import Problems
from sensorium.data.table import read_table
from sensorium.media.cache import MediaCache
from sensorium.media.loader import MediaLoader

LEVELS = [10, 20, 30, 40, 50, 60]
SIZE = 3 * 8 * 8  # bytes of a picture


@pytest.fixture
def folder(tmp_path):
    for level in LEVELS:
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(tmp_path / f"{level}.png")
    return tmp_path


@pytest.fixture
def cache(tmp_path):
    made = MediaCache(tmp_path / "cache", 10**7)
    yield made
    made.close()


def column(cells, folder, cache=None, memory=0, bag=1, problems=None):
    reader = ImageReader("photo", bag, size=(8, 8))
    table = read_table(pd.DataFrame({"photo": cells}), folder)
    return MediaColumn(reader, table, MediaLoader(None, cache), problems or Problems(), Allowance(memory))


def levels(column, places):
    values, mask = column.finish(places, column.begin(places))
    flat = values.reshape(*mask.shape, -1)
    assert (flat == flat[..., :1]).all()
    return flat[..., 0].tolist(), mask.tolist()


def decodes(monkeypatch) -> list:
    """Grows with every file that is decoded."""
    from sensorium.media import loader

    done, real = [], loader.decode
    monkeypatch.setattr(
        loader, "decode", lambda kind, source, *rest: (done.append(source), real(kind, source, *rest))[1]
    )
    return done


CELLS = ["10.png", "", "20.png", "gone.png", "30.png"]


@pytest.mark.parametrize("kept", ["mapped", "in part mapped", "on disk", "in memory", "nowhere"])
def test_the_same_values_each_time_and_each_file_decoded_once_where_it_is_kept(kept, folder, cache, monkeypatch):
    done, problems = decodes(monkeypatch), Problems()
    memory = {"mapped": 10**6, "in part mapped": 2 * SIZE, "in memory": 10**6}.get(kept, 0)
    given = column(CELLS, folder, None if kept in {"in memory", "nowhere"} else cache, memory, 1, problems)
    for places in ([0, 1, 2], [4, 3, 2], [0, 1, 2, 3, 4], [3, 1], [0, 0]):
        expected = [{0: 10, 2: 20, 4: 30}.get(place, 0) for place in places]
        assert levels(given, places) == (expected, [value > 0 for value in expected])
    assert len(done) == (3 if kept != "nowhere" else 3 + 1 + 3 + 1)
    assert [(p.row, p.reason) for p in problems.found] == [(4, "cannot read gone.png as image: no such file")]


@pytest.mark.parametrize("memory", [0, 4 * SIZE, 10**6])  # none, some, all of the files are mapped
def test_a_bag_is_filled_with_what_can_be_read(memory, folder, cache):
    cells = ["10.png|gone.png|20.png", ["30.png"], [], "gone.png", "40.png|50.png|60.png|10.png"]
    problems = Problems()
    given = column(cells, folder, cache, memory, bag=3, problems=problems)
    for _ in range(2):  # decoded, and from where they are kept
        found, mask = levels(given, [0, 1, 2, 3, 4])
        assert found == [[10, 20, 0], [30, 0, 0], [0, 0, 0], [0, 0, 0], [40, 50, 60]]
        assert mask == [[value > 0 for value in row] for row in found]
        items = given.items([0, 1, 2, 3, 4])
        assert [[int(file.max()) for file in item or []] for item in items] == [[v for v in row if v] for row in found]
    assert sorted(p.kind for p in problems.found) == ["broken", "broken", "cut"]


def test_what_is_mapped_needs_neither_the_cache_nor_the_file_again(folder, cache):
    given = column(CELLS, folder, cache, 10**6)
    first = levels(given, [0, 1, 2, 3, 4])
    with cache.store.begin(write=True) as transaction:
        transaction.drop(cache.values, delete=False)
    for level in LEVELS:
        (folder / f"{level}.png").unlink()
    assert levels(given, [0, 1, 2, 3, 4]) == first
    assert [item and int(item[0].max()) for item in given.items([0, 1, 4])] == [10, None, 30]


def test_a_file_that_many_rows_name_is_mapped_once(folder, cache):
    given = column(["10.png", "20.png", "10.png", "10.png"], folder, cache, 2 * SIZE)
    for _ in range(2):
        assert levels(given, [0, 1, 2, 3])[0] == [10, 20, 10, 10]
    assert given.memory.left == 0
    assert (given.slots > 0).all()


def test_arrays_without_a_file_are_mapped_too(cache):
    table = {"photo": [np.full((8, 8, 3), level, np.uint8) for level in LEVELS]}
    given = MediaColumn(
        ImageReader("photo", size=(8, 8)), read_table(table), MediaLoader(None, cache), Problems(), Allowance(10**6)
    )
    for places in ([3, 1], [0, 1, 2, 3, 4, 5]):
        assert levels(given, places)[0] == [LEVELS[place] for place in places]
    assert not given.kept


def test_rows_that_two_batches_ask_for_at_once_are_mapped_once(cache):
    table = {"photo": [np.full((8, 8, 3), level, np.uint8) for level in LEVELS]}
    given = MediaColumn(
        ImageReader("photo", size=(8, 8)), read_table(table), MediaLoader(None, cache), Problems(), Allowance(10**6)
    )
    batches = [[0, 1, 2], [2, 1, 3], [4, 5, 0]]
    asked = [given.begin(places) for places in batches]
    for _ in range(2):
        for places, files in zip(batches, asked, strict=True):
            values, mask = given.finish(places, files)
            assert values[:, 0, 0, 0].tolist() == [LEVELS[place] for place in places]
            assert mask.all()
        asked = [{}] * 3
    assert sorted(given.slots[:, 0].tolist()) == [1, 2, 3, 4, 5, 6]
    assert given.memory.left == 10**6 - 6 * SIZE


def test_a_table_of_no_rows_is_a_batch_of_none(folder, cache):
    given = column(CELLS, folder, cache, 10**6)
    given = MediaColumn(given.reader, given.table.take([]), given.loader, Problems(), Allowance(10**6))
    values, mask = given.finish([], given.begin([]))
    assert values.shape == (0, 3, 8, 8)
    assert mask.shape == (0,)


def test_without_a_disk_for_the_scratch_array_the_cache_does(folder, cache, monkeypatch):
    def refuse(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("sensorium.data.media_column.ScratchArray", refuse)
    given, done = column(CELLS, folder, cache, 10**6), decodes(monkeypatch)
    for _ in range(2):
        assert levels(given, [0, 2, 4])[0] == [10, 20, 30]
    assert len(done) == 3


def test_values_that_have_gone_from_the_cache_are_read_again(folder, cache, monkeypatch):
    given = column(CELLS, folder, cache)
    assert levels(given, [0, 2, 4])[0] == [10, 20, 30]
    done = decodes(monkeypatch)
    with cache.store.begin(write=True) as transaction:
        transaction.delete(given.keys[2, 0].tobytes(), db=cache.values)
    assert levels(given, [0, 2, 4])[0] == [10, 20, 30]
    assert [path.name for path in done] == ["20.png"]
    assert given.items([2])[0][0][0, 0, 0] == 20


def test_a_file_that_has_gone_meanwhile_is_missing_then(folder, cache):
    given = column(CELLS, folder, cache)
    levels(given, [0, 2])
    with cache.store.begin(write=True) as transaction:
        transaction.drop(cache.values, delete=False)
    (folder / "20.png").unlink()
    assert levels(given, [0, 2]) == ([10, 0], [True, False])


def test_a_table_without_the_column_is_one_of_empty_cells(folder):
    reader = ImageReader("photo", size=(8, 8))
    table = read_table(pd.DataFrame({"other": ["x", "y"]}), folder)
    given = MediaColumn(reader, table, MediaLoader(), Problems(), Allowance(0))
    assert levels(given, [0, 1]) == ([0, 0], [False, False])
    assert given.items([0]) == [None]


def test_sounds_and_clips_from_the_cache_are_those_that_were_decoded(table, cache):
    rows = read_table(table)
    for reader in (AudioReader("clip", sample_rate=8000, seconds=0.3), VideoReader("clip", frames=3, size=(8, 8))):
        given = MediaColumn(reader, rows, MediaLoader(None, cache), Problems(), Allowance(0))
        first, second = (given.finish([5, 1, 2], given.begin([5, 1, 2])) for _ in range(2))
        assert first[1].all()
        for left, right in zip(first, second, strict=True):
            np.testing.assert_array_equal(left, right)
