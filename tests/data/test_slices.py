"""A table's parts are the table, however it is kept."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sensorium.data.slices import Slices, lay_out
from sensorium.data.table import read_table
from sensorium.errors import DataError

ROWS = 23
NAMED = [
    {
        "note": f'row {i}, "quoted"\nand broken 5\' 3"',
        "code": f"{i:03}",
        "country": "NA" if i % 4 else "",
        "x": f"{i / 7}",
    }
    for i in range(ROWS)
]


def write(folder, kind):
    path = folder / f"rows.{kind}"
    frame = pd.DataFrame(NAMED)
    if kind in {"csv", "tsv"}:
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    elif kind == "parquet":
        frame.assign(code=frame["code"].astype("category"), x=np.arange(ROWS)).to_parquet(path, row_group_size=5)
    elif kind == "jsonl":
        path.write_text("\n\n".join(json.dumps(row) for row in NAMED), "utf-8-sig")
    else:
        path.write_text(json.dumps(NAMED))
    return path


def cells(table):
    return {column: list(table.cells(column)) for column in table.columns}


@pytest.mark.parametrize("size", [1, 4, 5, 7, 23, 100])
@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl", "json"])
def test_parts_together_are_the_table(tmp_path, kind, size):
    path = write(tmp_path, kind)
    whole = read_table(path)
    slices = Slices.from_json(json.loads(json.dumps(lay_out(path, tmp_path / "parts", size).to_json())))
    parts = [slices.table(part) for part in range(len(slices))]
    assert [len(part) for part in parts] == [min(size, ROWS - start) for start in range(0, ROWS, size)]
    assert {part.name for part in parts} == {path.name}
    assert {part.root for part in parts} == {tmp_path}
    found = [cells(part) for part in parts]
    assert {name: [cell for part in found for cell in part[name]] for name in found[0]} == cells(whole)
    assert list(found[-1]) == whole.columns


def test_a_part_of_json_lines_is_typed_as_the_whole(tmp_path):
    """A number is a float where another row of the column has none, as pandas reads the whole; lists stay lists."""
    rows = [{"n": i, "tags": ["a", "b"][: i % 3], "flag": i % 2 == 0} for i in range(12)]
    rows[7] = {"n": None, "late": "first here", "tags": []}
    rows[9]["flag"] = "a word"
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = read_table(path)
    slices = lay_out(path, tmp_path / "parts", 3)
    for part in range(4):
        read = slices.table(part)
        assert read.columns == whole.columns
        for column in whole.columns:
            wanted, got = whole.cells(column)[3 * part : 3 * part + 3], read.cells(column)
            assert [type(cell) for cell in got] == [type(cell) for cell in wanted]
            assert all(a == b or (a != a and b != b) for a, b in zip(got, wanted, strict=True))


def test_media_in_parquet_are_read_in_place(tmp_path):
    random = np.random.default_rng(0)
    pictures = [random.bytes(1000) for _ in range(10)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"photo": [{"bytes": one, "path": None} for one in pictures]}), path, row_group_size=4)
    slices = lay_out(path, tmp_path / "parts", 3)
    assert slices.path == str(path)
    assert not (tmp_path / "parts").exists()
    assert [cell["bytes"] for part in range(4) for cell in slices.table(part).cells("photo")] == pictures


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", "a,a\n1,2\n", "rows.csv: several columns are called 'a'"),
        ("rows.csv", "a,b\n", "rows.csv has no rows"),
        ("rows.csv", "a,b\n1,2\n1,2,3\n", "cannot read rows.csv as csv: .*Expected 2 fields in line 3, saw 3"),
        ("rows.csv", b"a\n\xff\n", "rows.csv is not UTF-8"),
        ("rows.jsonl", "", "rows.jsonl has no rows"),
        ("rows.jsonl", '{"a": 1}\n{"a": \n', "cannot read rows.jsonl: line 2 is not JSON"),
        ("rows.jsonl", '{"a": 1}\n[2]\n', r"cannot read rows.jsonl: a row must be an object, .*got \[2\]"),
        ("rows.jsonl", b'{"a": "\xff"}\n', r"rows.jsonl is not UTF-8 \(line 1\)"),
        ("rows.parquet", "no such thing", "cannot read rows.parquet as parquet"),
        ("rows.xlsx", "x", "cannot read rows.xlsx: '.xlsx' is no table's ending"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        lay_out(tmp_path / name, tmp_path / "parts", 10)


def test_a_table_that_changed_meanwhile_is_told(tmp_path):
    path = write(tmp_path, "parquet")
    slices = lay_out(path, tmp_path, 10)
    pd.DataFrame(NAMED[:4]).to_parquet(path)
    with pytest.raises(DataError, match=r"rows.parquet has changed: part 0 has 4 rows and had 10"):
        slices.table(0)
    with pytest.raises(DataError, match=r"cannot read part 1 of rows.parquet"):
        slices.table(1)
