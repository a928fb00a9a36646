"""What a process decodes of a part: each file once, as one machine does, and what it can't is told."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sensorium.cli import app
from sensorium.cluster.cache import fill
from sensorium.cluster.decoder import Decoder
from sensorium.cluster.parts import begin
from sensorium.cluster.stream import tell
from sensorium.data.media_readers import ImageReader
from sensorium.data.slices import lay_out
from sensorium.errors import ConfigError
from sensorium.media.cache import content_digest, open_cache
from sensorium.media.decode import decode
from sensorium.media.pool import DecoderPool

CELLS = ["a.png", "b.png|a.png", "", "nowhere.png", "b.png", "broken.png", "copy-of-a.png"]


@pytest.fixture
def pictures(tmp_path):
    random = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(random.integers(0, 255, (9, 12, 3), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "copy-of-a.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    path = tmp_path / "rows.csv"
    pd.DataFrame({"photo": CELLS, "n": range(len(CELLS))}).to_csv(path, index=False)
    return path


@pytest.fixture
def reader():
    return ImageReader("photo", 2, size=(6, 8))


def made(table, reader, recipes=None):
    folder = table.parent / "parts"
    parts, slices = begin(folder, table, {}, lambda: lay_out(table, folder, 4))
    decoder = Decoder(parts, slices, {"photo": reader}, recipes or {"photo": reader.recipe.digest.hex()}, (60.0, 1024))
    return parts, slices, decoder


def test_each_file_is_decoded_once(pictures, reader, monkeypatch):
    asked, submit = [], DecoderPool.submit

    def counted(pool, kind, source, *rest):
        asked.append(source.name)
        return submit(pool, kind, source, *rest)

    monkeypatch.setattr(DecoderPool, "submit", counted)
    parts, slices, decoder = made(pictures, reader)
    assert decoder({"part": np.array([0, 1])})["failure"] == ["", ""]
    assert asked == ["a.png", "b.png", "broken.png"]
    cache = open_cache(pictures.parent / "cache")
    for piece in parts.tables(2):
        cache.put_packed(dict(zip(piece["key"].to_pylist(), piece["value"].to_pylist(), strict=True)))
    assert cache.summary()["entries"] == 2
    for name in ("a.png", "b.png", "copy-of-a.png"):
        found = cache.get(cache.key(pictures.parent / name, reader.recipe))
        wanted = decode("image", pictures.parent / name, reader.options, reader.limits)
        assert np.array_equal(found.values, wanted.values)
    said = []
    assert [about["files"] for about in tell(parts, slices, said.append)] == [2, 0]
    assert len(said) == 1
    assert said[0].startswith(
        "column 'photo': 2 rows without it, as missing, the first in row 4: cannot read nowhere.png"
    )


def test_the_key_is_that_of_the_cache(pictures, reader):
    cache, path = open_cache(pictures.parent / "cache"), pictures.parent / "a.png"
    assert reader.recipe.key(content_digest(path)) == cache.key(path, reader.recipe)


def test_another_version_of_a_library_is_told(pictures, reader):
    _, _, decoder = made(pictures, reader, {"photo": "another"})
    (failure,) = decoder({"part": np.array([0])})["failure"]
    assert failure.startswith("DataError:a machine of the cluster has other versions of what decodes media")


def test_mistakes_are_told_before_there_is_anything(table, run, tmp_path):
    with pytest.raises(ConfigError, match="give --from or --config, not both"):
        fill(table, run, config={})
    with pytest.raises(ConfigError, match=r"training.cache_size is 0. Give --cache-size MB"):
        fill(table, run, size=0)
    numbers = tmp_path / "numbers.csv"
    pd.DataFrame({"n": range(9), "m": np.arange(9) ** 2 / 7}).to_csv(numbers, index=False)
    with pytest.raises(ConfigError, match=r"numbers.csv has no column of pictures, recordings or clips"):
        fill(numbers, folder=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    for options in (["--fill", str(table)], ["--cluster", "local"]):
        with pytest.raises(ConfigError, match="--fill TABLE and --cluster ADDRESS go together"):
            app(["cache", "--folder", str(tmp_path / "cache"), *options], standalone_mode=False)


def test_the_command_tells_what_it_did(pictures, tmp_path, monkeypatch, capsys):
    import sensorium.cluster.cache as module

    def work_through(address, worker, parts, slices, arguments, workers, say, report):
        assert (address, workers) == ("local", 2)
        worker(parts, slices, *arguments)({"part": np.arange(len(slices))})

    monkeypatch.setattr(module, "work_through", work_through)
    given = ["cache", "--fill", pictures, "--cluster", "local", "--workers", "2", "--folder", tmp_path / "cache"]
    app([str(part) for part in [*given, "--json"]], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["decoded"], told["entries"]) == (7, 2, 2)
    app(list(map(str, given)), standalone_mode=False)
    assert "2 files of 7 rows decoded." in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["media.lmdb"]
