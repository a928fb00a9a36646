"""Numbered parts: whole or not there, and never those of something else."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sensorium.cluster.parts import MANIFEST, Parts, begin
from sensorium.cluster.stream import MOST_TRIES, PartWorker, tell
from sensorium.data.slices import lay_out
from sensorium.errors import ConfigError, DataError


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    pd.DataFrame({"n": range(10)}).to_csv(path, index=False)
    return path


def begun(table, folder, **made_from):
    return begin(folder, table, {"size": 4, **made_from}, lambda: lay_out(table, folder, 4))


class Doubler(PartWorker):
    """Twice the numbers of a part; a problem in each row of 7."""

    def work(self, part, table):
        numbers = [int(cell) for cell in table.cells("n")]
        if 99 in numbers:
            raise DataError("99 can't be doubled.")
        first = part * self.slices.size + 1
        problems = [["n", "broken", 1, first + i, "it is 7"] for i, number in enumerate(numbers) if number == 7]
        return [pa.table({"n": [2 * number for number in numbers]})], {"said": ["doubled."], "problems": problems}


def test_parts_are_made_once_and_told_together(table, tmp_path):
    parts, slices = begun(table, tmp_path / "parts")
    worker = Doubler(parts, slices)
    made = worker({"part": np.array([2, 0])})
    assert (made["part"], made["failure"]) == ([2, 0], ["", ""])
    assert [parts.about(part) is None for part in range(3)] == [False, True, False]
    before = parts.path(0).stat().st_mtime_ns
    worker({"part": np.array([0, 1])})
    assert parts.path(0).stat().st_mtime_ns == before
    assert [n for table in parts.tables(3) for n in table["n"].to_pylist()] == [2 * n for n in range(10)]
    said = []
    tell(parts, slices, said.append)
    assert said == ["doubled.", "column 'n': 1 row without it, as missing, the first in row 8: it is 7."]


def test_a_damaged_part_is_none(table, tmp_path):
    parts, slices = begun(table, tmp_path / "parts")
    Doubler(parts, slices)({"part": np.arange(3)})
    content = parts.path(1).read_bytes()
    parts.path(1).write_bytes(content[:-9])
    assert parts.about(1) is None
    parts.path(1).write_bytes(content.replace(b"PAR1", b"PAR2"))
    assert parts.about(1) is None
    parts.path(1).write_bytes(parts.path(2).read_bytes())  # whole, and another's
    assert parts.about(1) is None
    parts.path(1).write_bytes(content)
    column = pq.read_metadata(parts.path(1)).row_group(0).column(0)
    last = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 1
    parts.path(1).write_bytes(content[:last] + bytes([content[last] ^ 1]) + content[last + 1 :])  # one bit of a page
    with pytest.raises(DataError, match=r"part-000001.parquet is damaged. Delete it and run the same command again"):
        list(parts.tables(3))
    parts.path(1).unlink()
    with pytest.raises(DataError, match=r"part-000001.parquet is not there any more"):
        tell(parts, slices, print)


def test_a_user_s_mistake_is_told_by_its_kind(table, tmp_path):
    pd.DataFrame({"n": [1, 99]}).to_csv(table, index=False)
    parts, slices = begun(table, tmp_path / "parts")
    assert Doubler(parts, slices)({"part": np.array([0])})["failure"] == ["DataError:99 can't be doubled."]
    assert parts.about(0) is None


def test_a_part_that_ends_every_process_is_given_up(table, tmp_path):
    parts, slices = begun(table, tmp_path / "parts")
    for tries in range(1, MOST_TRIES + 1):
        assert parts.begun(1) == tries
    (failure,) = Doubler(parts, slices)({"part": np.array([1])})["failure"]
    assert failure.startswith(f"DataError:{MOST_TRIES} processes ended while they were at rows 5 to 8 of rows.csv")
    parts.forget_tries()
    assert Doubler(parts, slices)({"part": np.array([1])})["failure"] == [""]
    assert parts.begun(1) == 1  # what was made is not counted


def test_parts_of_something_else_are_not_gone_on_with(table, tmp_path):
    folder = tmp_path / "parts"
    parts, slices = begun(table, folder, run="a")
    Doubler(parts, slices)({"part": np.array([0])})
    again, _ = begun(table, folder, run="a")
    assert again == parts
    with pytest.raises(ConfigError, match=r"made from something else \(run differs\)"):
        begun(table, folder, run="b")
    pd.DataFrame({"n": range(1, 11)}).to_csv(table, index=False)
    with pytest.raises(ConfigError, match=r"made from something else \(run, table differs\)"):
        begun(table, folder, run="b")
    parts.path(0).unlink()  # nothing is lost by beginning anew
    parts, slices = begun(table, folder, run="b")
    Doubler(parts, slices)({"part": np.arange(3)})
    assert [n for table in parts.tables(3) for n in table["n"].to_pylist()] == [2 * n for n in range(1, 11)]
    parts.remove()
    assert not folder.exists()


def test_a_folder_of_other_files_is_left_alone(table, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "part-000000.parquet").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="mine holds something else than parts of a table"):
        begun(table, folder)
    assert (folder / "part-000000.parquet").read_bytes() == b"mine"
    assert not (folder / MANIFEST).exists()


def test_large_parts_come_in_pieces(tmp_path):
    parts = Parts(tmp_path, "mark")
    about = {}

    def tables():
        for start in range(0, 20_000, 5000):
            yield pa.table({"n": np.arange(start, start + 5000)})
        about["rows"] = 20_000

    parts.write(0, tables(), about)
    assert parts.about(0) == {"rows": 20_000}
    pieces = list(parts.tables(1))
    assert len(pieces) == 4
    assert np.array_equal(np.concatenate([piece["n"].to_numpy() for piece in pieces]), np.arange(20_000))
