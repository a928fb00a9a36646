"""Parts together are what one machine would write, whatever the table and the output are kept as."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

import sensorium as sm
from sensorium.cli import app
from sensorium.cluster import predict as module
from sensorium.cluster.predict import predict
from sensorium.data.table import read_table, write_table
from sensorium.errors import ConfigError, DataError


@pytest.fixture
def in_process(monkeypatch):
    """No cluster: the parts are made here, in an order that is not theirs."""
    threads = torch.get_num_threads()

    def work_through(address, worker, parts, slices, arguments, workers, say, report):
        made = worker(parts, slices, *arguments)({"part": np.arange(len(slices))[::-1]})
        for part, failure in zip(made["part"], made["failure"], strict=True):
            assert not failure, failure
            report({"part": part})
        parts.forget_tries()

    monkeypatch.setattr(module, "work_through", work_through)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def rows(table):
    """100 rows of the run's table, some of whose files are not there."""
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    frame = pd.concat([frame] * 3, ignore_index=True).iloc[:100]
    frame["note"] += [f" and {row}" for row in range(100)]
    frame.loc[[70, 71], "photo"] = "nowhere.png"
    return frame.drop(columns=["label", "price", "tags"])


def kept(rows, path):
    if path.suffix == ".csv":
        rows.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        rows.to_parquet(path, row_group_size=30)
    else:
        told = [{**row, "age": float(row["age"]) if row["age"] else None} for row in rows.to_dict(orient="records")]
        told[3]["age"] = 40  # a whole number among others
        path.write_text("".join(json.dumps(row) + "\n" for row in told))
    return path


@pytest.mark.parametrize(
    ("kind", "ending", "options"),
    [
        ("csv", "csv", {}),
        ("parquet", "parquet", {"coverage": 0.8}),
        ("jsonl", "jsonl", {}),
    ],
)
def test_the_same_bytes_as_one_machine_writes(in_process, run, rows, table, tmp_path, kind, ending, options):
    path = kept(rows, tmp_path / f"rows.{kind}")
    said, told, reported = [], [], []
    write_table(
        sm.load(run).answers(read_table(path, table.parent), told.append, **options), tmp_path / f"one.{ending}"
    )
    output = tmp_path / f"many.{ending}"
    count = predict(
        run, path, output, rows=40, media_root=table.parent, say=said.append, report=reported.append, **options
    )
    assert count == 100
    assert [one["part"] for one in reported] == [3, 2, 1, 0]  # parts of 32 rows, which is the batch
    one = tmp_path / f"one.{ending}"
    if ending == "parquet":  # has a group of rows for each part
        assert pq.read_table(output).equals(pq.read_table(one), check_metadata=True)
    else:
        assert output.read_bytes() == one.read_bytes()
    assert said == told
    assert "column 'photo': 2 rows without it, as missing, the first in row 71" in said[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"many.{ending}", f"one.{ending}", path.name]


def test_an_output_without_an_ending_is_a_folder_of_parquet(in_process, run, rows, table, tmp_path):
    path = kept(rows, tmp_path / "rows.csv")
    output, reported = tmp_path / "answers", []
    for _ in range(2):  # the second time nothing is left to do
        predict(run, path, output, rows=40, media_root=table.parent, report=reported.append)
    names = sorted(path.name for path in output.iterdir())
    assert names == ["_manifest.json", *(f"part-00000{i}.parquet" for i in range(4))]
    one = sm.load(run).answers(read_table(path, table.parent))
    pd.testing.assert_frame_equal(pd.read_parquet(output), one, check_dtype=False)
    with pytest.raises(ConfigError, match=r"made from something else \(options differs\)"):
        predict(run, path, output, rows=40, media_root=table.parent, coverage=0.9)


def test_words_among_numbers_are_an_error_only_at_the_head_of_a_table(in_process, run, rows, table, tmp_path):
    """As on one machine, where the first 1000 rows are looked at: they tell whether it is another table."""
    rows = pd.concat([rows[["note", "age"]]] * 11, ignore_index=True)
    rows.loc[1056:, "age"] = "unknown"
    path = kept(rows, tmp_path / "rows.csv")
    assert predict(run, path, tmp_path / "many.csv", rows=32) == 1100
    write_table(sm.load(run).answers(read_table(path)), tmp_path / "one.csv")
    assert (tmp_path / "many.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_mistakes_are_told_before_there_is_anything(run, rows, tmp_path):
    path = kept(rows, tmp_path / "rows.csv")
    with pytest.raises(DataError, match=r"cannot write many.xlsx: '.xlsx' must be one of"):
        predict(run, path, tmp_path / "many.xlsx")
    with pytest.raises(ConfigError, match="coverage must be above 0 and below 1"):
        predict(run, path, tmp_path / "many.csv", coverage=1.5)
    with pytest.raises(ConfigError, match="sample is for targets of texts"):
        predict(run, path, tmp_path / "many.csv", sample={"seed": 1})
    with pytest.raises(DataError, match=r"cannot read .*other.csv: there is no such file"):
        predict(run, tmp_path / "other.csv", tmp_path / "many.csv")
    assert not (tmp_path / "many.csv.parts").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cluster", "local"], "give -o OUTPUT, and no --json"),
        (["--cluster", "local", "-o", "a.csv", "--json"], "give -o OUTPUT, and no --json"),
        (["--cluster", "local", "-o", "a.csv", "--classes", "c.yaml"], "--classes can't go with --cluster"),
        (["-o", "a.csv", "--workers", "2"], "--workers and --cache-size are for --cluster"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ConfigError, match=message):
        app(["predict", "run", "rows.csv", *options], standalone_mode=False)
