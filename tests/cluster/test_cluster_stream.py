"""Predict and cache on a real Ray cluster, with processes killed on the way."""

import os
import signal
from collections import Counter

import pandas as pd
import pytest

import sensorium as sm
from sensorium.cli import app
from sensorium.cluster.cache import fill
from sensorium.cluster.predict import predict
from sensorium.data.table import read_table, write_table
from sensorium.errors import DataError
from sensorium.media.cache import open_cache
from sensorium.media.loader import MediaLoader
from sensorium.media.pool import DecoderPool

pytestmark = pytest.mark.xdist_group("ray")  # where groups are kept together, one cluster does
ROWS, PARTS = 320, 10  # of 32 rows, the run's batch


class Stopped(Exception):
    """Whoever waits for the answers is gone."""


@pytest.fixture
def rows(table, tmp_path):
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    frame = pd.concat([frame] * 8, ignore_index=True)
    frame["note"] += [f" and {row}" for row in range(ROWS)]
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    return path


def test_one_answer_a_row_whatever_is_killed(local_cluster, run, table, rows, tmp_path):
    output, made = tmp_path / "many.csv", []

    def kill_then_stop(one):
        made.append(one)
        if len(made) == 1:
            os.kill(one["process"], signal.SIGKILL)  # with the next part in its hands
        if len(made) == PARTS - 3:
            raise Stopped

    asked = {"workers": 2, "rows": 32, "media_root": table.parent}
    with pytest.raises(Stopped):
        predict(run, rows, output, **asked, report=kill_then_stop)
    assert not output.exists()
    there = len(list((tmp_path / "many.csv.parts").glob("part-*.parquet")))
    assert there >= PARTS - 3

    said, rest = [], []
    assert predict(run, rows, output, **{**asked, "workers": 1}, say=said.append, report=rest.append) == ROWS
    assert said[0].endswith(f" of {PARTS} parts are there already.")
    assert int(said[0].split()[0]) >= there  # one may have been written while the first was stopped
    assert len(rest) == PARTS - int(said[0].split()[0])
    counts = Counter(one["part"] for one in [*made, *rest])
    assert max(counts.values()) == 1
    write_table(sm.load(run).answers(read_table(rows, table.parent)), tmp_path / "one.csv")
    assert output.read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_predict_as_a_user_types_it(local_cluster, run, table, rows, tmp_path, capsys):
    given = ["predict", run, rows, "-o", tmp_path / "many.jsonl", "--media-root", table.parent, "--cluster", "local"]
    app([*map(str, given), "--workers", "1"], standalone_mode=False)
    assert f"{ROWS} rows written to {tmp_path / 'many.jsonl'}." in capsys.readouterr().err
    write_table(sm.load(run).answers(read_table(rows, table.parent)), tmp_path / "one.jsonl")
    assert (tmp_path / "many.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()


def test_a_mistake_reaches_the_user(local_cluster, run, tmp_path):
    pd.DataFrame({"weight": [1, 2]}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(DataError, match=r"other.csv has none of the columns that the model reads"):
        predict(run, tmp_path / "other.csv", tmp_path / "many.csv", workers=1)


def test_a_cache_is_filled_whatever_is_killed(local_cluster, run, table, tmp_path, monkeypatch):
    folder, made = tmp_path / "cache", []

    def kill(one):
        made.append(one)
        if len(made) == 1:
            os.kill(one["process"], signal.SIGKILL)

    found = fill(table, run, folder=folder, workers=2, rows=4, report=kill)
    assert sorted(one["part"] for one in made) == list(range(10))
    assert found["rows"] == 40
    assert not list(folder.glob("*.parts"))
    predictor, rows = sm.load(run), read_table(table)
    filled = open_cache(folder)
    keys = set()
    for reader in predictor.readers.values():
        if hasattr(reader, "recipe"):
            for cell in filter(None, rows.cells(reader.columns[0])):
                keys.add(filled.key(table.parent / cell, reader.recipe))
                (loaded,) = MediaLoader().finish([MediaLoader().begin(table.parent / cell, reader.recipe)])
                kept = filled.get(filled.key(table.parent / cell, reader.recipe))
                assert kept.values.tobytes() == loaded.value.values.tobytes()
    assert found["entries"] == len(keys)

    def refuse(*_):
        raise AssertionError("a file was decoded that is in the cache")

    wanted = predictor.predict(rows)
    monkeypatch.setenv("SENSORIUM_CACHE", str(folder))
    monkeypatch.setattr(DecoderPool, "submit", refuse)
    assert sm.load(run).predict(read_table(table)).equals(wanted)
