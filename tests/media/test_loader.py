"""Files that are asked for and taken later: from the cache, from processes, from memory."""

import io

import numpy as np
import pytest
from PIL import Image

from sensorium.errors import MediaError
from sensorium.media.cache import MediaCache, Recipe
from sensorium.media.loader import MediaLoader, shared_pool
from sensorium.media.pool import DecoderPool

RECIPE = Recipe("image", {"size": (8, 8)})


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(file, "png")
    return file.getvalue()


@pytest.fixture
def cache(tmp_path):
    made = MediaCache(tmp_path / "cache", 10**7)
    yield made
    made.close()


@pytest.fixture(scope="module")
def pool():
    with DecoderPool(1) as made:
        yield made


@pytest.mark.parametrize("processes", [False, True])
def test_a_file_is_decoded_once(processes, pool, cache, tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png(7))
    loader = MediaLoader(pool if processes else None, cache)
    asked = [loader.begin(source, RECIPE) for source in (tmp_path / "a.png", png(9), tmp_path / "no.png", b"nothing")]
    first, second, gone, broken = loader.finish(asked)
    assert (first.value.values == 7).all()
    assert (second.value.values == 9).all()
    assert str(gone.value) == "no such file"
    assert isinstance(broken.value, MediaError)
    assert cache.summary()["entries"] == 2  # what can't be read is not kept: another time it may be
    monkeypatch.setattr("sensorium.media.loader.decode", lambda *_: pytest.fail("it was decoded again"))
    monkeypatch.setattr(pool, "submit", lambda *_: pytest.fail("it was decoded again"))
    again = loader.finish([loader.begin(png(7), RECIPE)])  # the same content from elsewhere
    assert again[0].key == first.key
    assert (again[0].value.values == 7).all()


def test_notes_come_with_the_values_from_the_cache_too(cache):
    from soundfile import write

    file, recipe = io.BytesIO(), Recipe("audio", {"sample_rate": 8000, "seconds": 0.5})
    write(file, np.zeros(8000), 8000, format="WAV")
    loader = MediaLoader(None, cache)
    for _ in range(2):
        (found,) = loader.finish([loader.begin(file.getvalue(), recipe)])
        assert found.value.notes == (("cut", "the recording is longer than 0.5 s"),)
        assert found.value.values.shape == (4000,)


def test_what_is_in_memory_is_read_at_once_and_not_kept(cache):
    loader = MediaLoader(None, cache)
    (found,) = loader.finish([loader.begin(np.full((8, 8, 3), 5, np.uint8), RECIPE)])
    assert (found.value.values == 5).all()
    assert found.key is None
    assert cache.summary()["entries"] == 0


def test_without_a_cache_there_is_no_key(pool):
    loader = MediaLoader(pool)
    (found,) = loader.finish([loader.begin(png(3), RECIPE)])
    assert found.key is None
    assert (found.value.values == 3).all()


def test_a_cache_that_cannot_be_written_to_gives_no_keys(cache):
    cache.failure = "disk full"
    loader = MediaLoader(None, cache)
    (found,) = loader.finish([loader.begin(png(3), RECIPE)])
    assert found.key is None
    assert cache.summary()["entries"] == 0


def test_one_pool_a_process():
    assert shared_pool(0, 60, 512) is None
    assert shared_pool(1, 60, 512) is shared_pool(1, 60, 512)
