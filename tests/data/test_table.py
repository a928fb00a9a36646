import datetime
import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sensorium.data.cells import is_missing, split_bag
from sensorium.data.table import read_table, write_atomically, write_parts, write_table
from sensorium.errors import DataError, MediaError

ROWS = [{"名字": "李 雷", "age": 31, "note": 'a "b", c\nd'}, {"名字": "Ann", "age": 7, "note": None}]
TEXT = '名字,age,note\n李 雷,31,"a ""b"", c\nd"\nAnn,7,\n'
LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(path: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


SOURCES = {
    "csv": lambda folder: write(folder / "t.csv", TEXT),
    "csv, byte order mark": lambda folder: write(folder / "t.CSV", b"\xef\xbb\xbf" + TEXT.encode()),
    "tsv": lambda folder: write(folder / "t.tsv", TEXT.replace('"a ""b"", c', '"a ""b""; c').replace(",", "\t").replace(";", ",")),
    "jsonl": lambda folder: write(folder / "t.jsonl", LINES),
    "ndjson, mark and empty lines": lambda folder: write(folder / "t.ndjson", b"\xef\xbb\xbf" + LINES.encode() + b"\r\n\n"),
    "json, lines": lambda folder: write(folder / "t.json", LINES),
    "json, a list": lambda folder: write(folder / "t.json", json.dumps(ROWS, indent=1)),
    "parquet": lambda folder: parquet(folder / "t.parquet"),
    "path as text": lambda folder: str(write(folder / "t.csv", TEXT)),
    "pandas": lambda folder: pd.DataFrame(ROWS, index=[9, 9]),
    "pandas, typed": lambda folder: pd.DataFrame(ROWS).convert_dtypes(),
    "pyarrow": lambda folder: pa.Table.from_pylist(ROWS),
    "dict of lists": lambda folder: COLUMNS,
    "dict of arrays": lambda folder: {name: np.array(cells, dtype=object) for name, cells in COLUMNS.items()},
    "dict of series": lambda folder: {name: pd.Series(cells, index=[5, 3]) for name, cells in COLUMNS.items()},
    "list of dicts": lambda folder: ROWS,
}  # fmt: skip


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_table_holds_the_same_cells(kind, tmp_path):
    table = read_table(SOURCES[kind](tmp_path))
    assert len(table) == 2
    assert table.columns == ["名字", "age", "note"]
    assert list(table.cells("名字")) == ["李 雷", "Ann"]
    assert [int(cell) for cell in table.cells("age")] == [31, 7]
    assert table.cells("note")[0] == 'a "b", c\nd'
    assert is_missing(table.cells("note")[1])


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize("text", ["NA", "007", "1.0", "null", "nan", "TRUE", " x", "1e5", "9007199254740993", "=1+1"])
def test_text_of_a_csv_stays_as_it_is_written(ending, text, tmp_path):
    mark = "," if ending == "csv" else "\t"
    assert list(read_table(write(tmp_path / f"t.{ending}", f"a{mark}b\n{text}{mark}x\n")).cells("a")) == [text]


def test_json_keeps_types(tmp_path):
    row = {"n": 9007199254740993, "code": "007", "day": "2024-01-01", "list": [1, 2], "yes": True, "line": "a\u2028b"}
    table = read_table(write(tmp_path / "t.jsonl", json.dumps(row, ensure_ascii=False)))
    assert {name: table.cells(name)[0] for name in table.columns} == row


def test_parquet_keeps_dates_lists_categories_and_bytes(tmp_path):
    days = [datetime.datetime(2024, 2, 29), None]
    media = [{"bytes": b"x", "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}]
    columns = {"day": days, "vector": [[1.0, 2.0], [3.0, 4.0]], "media": media, "bytes": [b"a", b"b"]}
    pq.write_table(pa.table({**columns, "kind": pa.array(["x", "y"]).dictionary_encode()}), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.cells("day")[0] == days[0]
    assert is_missing(table.cells("day")[1])
    np.testing.assert_array_equal(np.stack(table.cells("vector")), columns["vector"])
    assert [split_bag(cell) for cell in table.cells("media")] == [[b"x"], ["b.jpg"]]
    assert list(table.cells("bytes")) == [b"a", b"b"]
    assert list(table.cells("kind")) == ["x", "y"]


def test_short_rows_end_in_missing_cells_and_blank_lines_are_none(tmp_path):
    table = read_table(write(tmp_path / "t.csv", "a,b\n1\n\n2,x\r\n"))
    assert list(table.cells("a")) == ["1", "2"]
    assert [is_missing(cell) for cell in table.cells("b")] == [True, False]


def test_spaces_around_names_go_and_an_index_column_has_a_name(tmp_path):
    assert read_table(write(tmp_path / "t.csv", ", a ,b\n0,x,y\n")).columns == ["Unnamed: 0", "a", "b"]
    assert read_table({0: [1], " b ": [2]}).columns == ["0", "b"]


def test_media_in_memory_come_out_as_they_went_in():
    stream = io.BytesIO()
    picture = Image.new("RGB", (3, 2))
    picture.save(stream, "PNG")
    columns = {
        "pictures": [picture, picture],
        "waves": [(np.zeros(8), 8000), (np.zeros((8, 2)), 16000)],
        "bytes": [stream.getvalue(), None],
        "paths": [Path("a.jpg"), "b.jpg"],
        "bags": [["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"]],
        "of one length": [[1, 2], [3, 4]],
    }
    table = read_table(columns)
    for name, cells in columns.items():
        assert all(ours is theirs for ours, theirs in zip(table.cells(name), cells, strict=True)), name


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 6, 5, 3), (4, 2, 6, 5, 3)], ids=str)
def test_an_arrays_first_axis_is_rows(shape):
    values = np.random.default_rng(0).normal(size=shape)
    table = read_table({"x": values, "label": list("abcd")})
    assert len(table) == 4
    for cell, row in zip(table.cells("x"), values, strict=True):
        np.testing.assert_array_equal(cell, row)


def test_the_callers_frame_is_left_alone():
    frame = pd.DataFrame({" a ": [1, 2]}, index=[7, 8])
    read_table(frame).take([1])
    assert list(frame.columns) == [" a "]
    assert list(frame.index) == [7, 8]


def test_rows_that_are_taken_keep_their_numbers(tmp_path):
    table = read_table(write(tmp_path / "train.csv", "a\n" + "\n".join("vwxyz")))
    assert [table.number(row) for row in range(5)] == [1, 2, 3, 4, 5]
    part = table.take([4, 0, 2])
    assert list(part.cells("a")) == ["z", "v", "x"]
    assert [part.number(row) for row in range(3)] == [5, 1, 3]
    assert part.take(np.array([2])).number(0) == 3
    assert part.take([1, 1]).name == "train.csv"
    assert len(part.take([])) == 0
    assert len(table) == 5


@pytest.mark.parametrize("kind", ["csv", "parquet", "large parquet", "pieces", "pandas"])
def test_cells_are_read_alike_one_by_one_in_slices_and_in_order(kind, tmp_path, monkeypatch):
    cells = [f"c{i}" if i % 7 else None for i in range(9000)]
    pieces = pa.chunked_array([cells[:10], [], cells[10:5000], cells[5000:]], pa.string())
    if kind == "large parquet":  # its rows then lie in a file mapped into memory
        monkeypatch.setattr("sensorium.data.table.SMALL", 0)
    if kind in {"csv", "parquet", "large parquet"}:
        path = tmp_path / f"t.{kind.split()[-1]}"
        write_table(pd.DataFrame({"a": cells, "b": "x"}), path)
        table = read_table(path)
    else:
        table = read_table(pa.table({"a": pieces}) if kind == "pieces" else pd.DataFrame({"a": cells}))
    random = np.random.default_rng(0)
    rows = np.arange(9000)
    for taken in (None, np.sort(random.choice(9000, 4000)), random.permutation(4000), np.array([5, 5, 0])):
        table, rows = (table, rows) if taken is None else (table.take(taken), rows[taken])
        wanted, found = [cells[row] or "" for row in rows], table.cells("a")

        def filled(part):
            return ["" if is_missing(cell) else cell for cell in part]

        assert len(found) == len(table) == len(wanted)
        assert filled(found) == wanted
        assert filled(found[row] for row in range(len(rows))) == wanted
        assert filled(found[3:2000:7]) == wanted[3:2000:7]
        assert [table.number(row) for row in range(len(rows))] == (rows + 1).tolist()


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="memory by file is told by Linux alone")
def test_memory_of_a_mapped_table_can_be_given_back_and_its_cells_are_still_there(tmp_path, monkeypatch):
    monkeypatch.setattr("sensorium.data.table.SMALL", 0)
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path))
    cells = [f"{i:0100}" for i in range(50_000)]  # 5 MB
    write_table(pd.DataFrame({"a": cells}), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet").take(np.arange(50_000)[::-1])

    def resident() -> int:
        """Bytes of the file that are in this process's memory."""
        lines = iter(Path("/proc/self/smaps").read_text().splitlines())
        return sum(
            1024 * int(next(line for line in lines if line.startswith("Rss:")).split()[1])
            for line in lines
            if f"{tmp_path}/rows-" in line
        )

    assert list(table.cells("a")) == cells[::-1]
    assert resident() > 5e6
    table.release()
    assert resident() == 0
    assert table.cells("a")[0] == cells[-1]
    assert 0 < resident() < 1e6  # a row is near the pages of its own cells alone
    read_table({"a": [1]}).release()  # nothing is mapped


def test_paths_start_from_the_tables_folder_or_the_media_root(tmp_path):
    path = write(tmp_path / "t.csv", "a\nx.jpg\n")
    table = read_table(path)
    assert table.resolve("sub/图.jpg") == tmp_path / "sub/图.jpg"
    assert table.resolve(Path("x.jpg")) == tmp_path / "x.jpg"
    assert table.resolve("/abs/x.jpg") == Path("/abs/x.jpg")
    assert table.take([0]).resolve("x.jpg") == tmp_path / "x.jpg"
    assert read_table(path, media_root="else").resolve("x.jpg") == Path("else/x.jpg")
    assert read_table(table, media_root="else").resolve("x.jpg") == Path("else/x.jpg")
    assert read_table(table) is table
    assert read_table({"a": ["x.jpg"]}).resolve("x.jpg") == Path("x.jpg")
    array = np.zeros(3)
    assert table.resolve(array) is array


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("https://x.org/a.jpg", "it is a URL; only local files are read"),
        ("s3://bucket/a.jpg", "it is a URL"),
        (17, "it must be a path, bytes or an array; got 17"),
        (2.5, "it must be a path, bytes or an array; got 2.5"),
    ],
)
def test_what_is_no_medium_is_refused(item, message):
    with pytest.raises(MediaError, match=message):
        read_table({"a": [1]}).resolve(item)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", r"t\.csv has no rows"),
        ("t.csv", "a,b\n", r"t\.csv has no rows"),
        ("t.jsonl", "", r"t\.jsonl has no rows"),
        ("t.csv", "a,b,a\n1,2,3\n", r"t\.csv: several columns are called 'a'; names must differ"),
        ("t.csv", "a,b\n1,2\n3,hello, world\n", r"cannot read t\.csv as csv: .* 2 fields in line 3, saw 3"),
        ("t.csv", 'a,b\n"x,2\n', r"cannot read t\.csv as csv: .*EOF inside string"),
        ("t.csv", "城市\n北京\n".encode("gbk"), r"t\.csv is not UTF-8 \(byte 0\)\. Save it as UTF-8"),
        ("t.jsonl", '{"a": "北"}\n'.encode("gbk"), r"t\.jsonl is not UTF-8 \(byte 7\)"),
        ("t.jsonl", '{"a": 1}\n{"a":\n', r"cannot read t\.jsonl: line 2 is not JSON \(Expecting value\)"),
        ("t.json", '[\n{"a": 1},\n{"a"}]', r"cannot read t\.json: line 3 is not JSON"),
        ("t.jsonl", '{"a": 1}\n5\n', r"cannot read t\.jsonl: a row must be an object, \{\.\.\.\}; got 5"),
        ("t.parquet", "PAR1", r"cannot read t\.parquet as parquet: .*4 bytes"),
        ("t.xlsx", "PK", r"cannot read t\.xlsx: '\.xlsx' is no table's ending\. There are: \.csv, \.json, \.jsonl, \.ndjson, "),
        ("table", "a\n1\n", "cannot read table: '' is no table's ending"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_an_error_that_says_why(name, content, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path / name, content))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (5, "a table must be a path, a pandas or pyarrow table, a dict of columns or a list of dicts; got int"),
        (np.zeros((2, 2)), "got ndarray"),
        ([1, 2], "got list"),
        ([], "the table has no rows"),
        ({}, "the table has no rows"),
        ({"a": []}, "the table has no rows"),
        (pd.DataFrame(), "the table has no rows"),
        ({"a": [1], "b": [1, 2]}, r"all columns must have the same number of rows; got 'a' 1, 'b' 2"),
        ({"a": "xy"}, "column 'a' must be a list or an array; got str"),
        ({"a": 5}, "column 'a' must be a list or an array; got int"),
        ({"a": np.array(5)}, "column 'a' must be a list or an array; got ndarray"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "the table: several columns are called 'a'"),
        ({"a": [1], "a ": [2]}, "several columns are called 'a'"),
        ("no/such.csv", r"cannot read no/such\.csv: there is no such file\.$"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_table_is_an_error(source, message):
    with pytest.raises(DataError, match=message):
        read_table(source)


def test_a_misspelt_file_is_met_with_the_nearest_one(tmp_path):
    write(tmp_path / "train.csv", "a\n1\n")
    with pytest.raises(DataError, match=r"trian\.csv: there is no such file\. Did you mean 'train\.csv'\?"):
        read_table(tmp_path / "trian.csv")
    with pytest.raises(DataError, match=r"is a folder, not a table\.$"):
        read_table(tmp_path)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "ndjson", "parquet"])
def test_what_is_written_is_read_again(ending, tmp_path):
    frame = pd.DataFrame({"名字": ["李 雷", 'a\t"b",\nc', "007"], "x": [1.5, -2.0, 1e-9]})
    path = tmp_path / "new" / f"t.{ending}"
    write_table(frame, path)
    table = read_table(path)
    assert table.columns == ["名字", "x"]
    assert list(table.cells("名字")) == list(frame["名字"])
    assert [float(cell) for cell in table.cells("x")] == list(frame["x"])
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_another_ending_is_not_written(tmp_path):
    with pytest.raises(
        DataError, match=r"cannot write t\.xls: '\.xls' must be one of \.csv, \.jsonl, \.parquet, \.tsv"
    ):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.xls")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "t.bin"
    write_atomically(path, b"old")
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, b"new")
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(DataError, match=r"cannot write .*t\.bin: No space left on device"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["t.bin"]
    with pytest.raises(DataError, match=r"cannot write .*: (File exists|Not a directory)"):
        write_atomically(path / "below.csv", b"new")


def test_a_file_is_written_in_pieces(tmp_path):
    path = tmp_path / "t.bin"
    write_atomically(path, iter([b"one ", b"", b"after another"]))
    assert path.read_bytes() == b"one after another"

    def ends():
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, ends())
    assert path.read_bytes() == b"one after another"
    assert [p.name for p in tmp_path.iterdir()] == ["t.bin"]


def test_semicolons_separate_where_the_first_line_has_no_comma(tmp_path):
    (tmp_path / "a.csv").write_text("name;price\nAda;12,5\n")
    table = read_table(tmp_path / "a.csv")
    assert table.columns == ["name", "price"]
    assert list(table.cells("price")) == ["12,5"]
    (tmp_path / "b.csv").write_text("name,a;b\nAda,1\n")
    assert read_table(tmp_path / "b.csv").columns == ["name", "a;b"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_rows_that_come_in_parts_are_written_as_all_at_once(tmp_path, ending):
    frame = pd.DataFrame({"label": ["a,b", 'say "x"', "", "é"] * 3, "p": np.arange(12, dtype=np.float32) / 7})
    whole, parts = tmp_path / f"whole.{ending}", tmp_path / f"parts.{ending}"
    write_table(frame, whole)
    write_parts((frame.iloc[start : start + 5] for start in range(0, 12, 5)), parts)
    if ending == "parquet":  # has a group of rows for each part
        assert pq.read_table(parts).equals(pq.read_table(whole), check_metadata=True)
    else:
        assert parts.read_bytes() == whole.read_bytes()
