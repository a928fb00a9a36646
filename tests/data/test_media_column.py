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


@pytest.mark.parametrize("kept", ["on disk", "in memory", "nowhere"])
def test_the_same_values_each_time_and_each_file_decoded_once_where_it_is_kept(kept, folder, cache, monkeypatch):
    done, problems = decodes(monkeypatch), Problems()
    given = column(CELLS, folder, cache if kept == "on disk" else None, 10**6 * (kept == "in memory"), 1, problems)
    for places in ([0, 1, 2], [4, 3, 2], [0, 1, 2, 3, 4], [3, 1], [0, 0]):
        expected = [{0: 10, 2: 20, 4: 30}.get(place, 0) for place in places]
        assert levels(given, places) == (expected, [value > 0 for value in expected])
    assert len(done) == (3 if kept != "nowhere" else 3 + 1 + 3 + 1)
    assert [(p.row, p.reason) for p in problems.found] == [(4, "cannot read gone.png as image: no such file")]


def test_a_bag_is_filled_with_what_can_be_read(folder, cache):
    cells = ["10.png|gone.png|20.png", ["30.png"], [], "gone.png", "40.png|50.png|60.png|10.png"]
    problems = Problems()
    given = column(cells, folder, cache, bag=3, problems=problems)
    for _ in range(2):  # decoded, and from the cache
        found, mask = levels(given, [0, 1, 2, 3, 4])
        assert found == [[10, 20, 0], [30, 0, 0], [0, 0, 0], [0, 0, 0], [40, 50, 60]]
        assert mask == [[value > 0 for value in row] for row in found]
    assert sorted(p.kind for p in problems.found) == ["broken", "broken", "cut"]


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
