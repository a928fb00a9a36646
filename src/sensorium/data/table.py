"""Any table to one kind: a DataFrame, the folder its media lie in, and its name for messages."""

import difflib
import json
import mmap
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sensorium.data.cells import locate
from sensorium.data.hf_dataset import from_dataset, is_dataset
from sensorium.errors import DataError
from sensorium.media.cache import SCRATCH, cache_folder

__all__ = [
    "Table", "as_parquet", "check_writable", "checked", "csv_parts", "parquet_schema", "read_table", "reading",
    "write_atomically", "write_parts", "write_table",
]  # fmt: skip

PLACE = np.int32  # of a row: a table has fewer than 2^31, and for a million each array is 4 MB smaller
PART = 4096  # cells that become Python's values at once
BLOCK = 1024  # rows of a mapped table whose cells lie together, so that a row touches few pages
SMALL = 8 * 2**20  # bytes, encoded; a larger Parquet file's rows stay on disk, mapped into memory
WRITERS = (".csv", ".jsonl", ".ndjson", ".parquet", ".tsv")
READERS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class Table:
    """Rows to learn from or to answer.

    Args:
        source: the cells. An Arrow table may lie in a file that is mapped into memory; no more of it is read than needed.
        root: the folder that paths in cells start from.
        name: of the file, for messages.
        places: the rows of `source` that are meant, in order; None: all.
        mapped: the file that `source` lies in, where it lies in one.
        path: of the file that was read; None: the rows came from memory.
    """

    source: pd.DataFrame | pa.Table
    root: Path
    name: str = "table"
    places: np.ndarray | None = None
    mapped: mmap.mmap | None = None
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.source) if self.places is None else len(self.places)

    def __getstate__(self) -> dict[str, Any]:
        # In another process: the cells of a mapped file travel with the table, and the folder may be another.
        return {**vars(self), "mapped": None, "root": self.root.absolute()}

    @property
    def columns(self) -> list[str]:
        return list(self.source.columns if isinstance(self.source, pd.DataFrame) else self.source.column_names)

    def number(self, row: int) -> int:
        """The row's number in the file it came from; 1 is the first row of data."""
        return 1 + (row if self.places is None else int(self.places[row]))

    def cells(self, column: str) -> Sequence[Any]:
        """A column's cells, as Python's own values."""
        if isinstance(self.source, pa.Table):
            return ArrowCells(self.source[column], self.places)
        series = self.source[column]
        return list(series if self.places is None else series.iloc[self.places])

    def rows(self, columns: Sequence[str]) -> "RowCells":
        """The cells of some columns, row by row."""
        return RowCells(self, tuple(columns))

    def take(self, rows: Sequence[int] | np.ndarray) -> "Table":
        """Some of the rows, which keep their numbers."""
        rows = np.asarray(rows, dtype=PLACE)
        return replace(self, places=rows if self.places is None else self.places[rows])

    def without(self, columns: Collection[str]) -> "Table":
        """The same rows without some of the columns."""
        left = [name for name in self.columns if name not in columns]
        return replace(
            self, source=self.source.select(left) if isinstance(self.source, pa.Table) else self.source[left]
        )

    def release(self) -> None:
        """Give back the memory of what was read of a mapped file; what is read again comes from the system's cache."""
        if self.mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)

    def resolve(self, item: Any) -> Any:
        """A media item of a cell, with a relative path led from `root`.

        Raises:
            MediaError: it is a URL, or something that no medium is made of.
        """
        return locate(item, self.root)


class ArrowCells(Sequence):
    """A column of an Arrow table as a sequence that reads what is asked for.

    Args:
        values: the column.
        places: the rows that are meant; None: all.
    """

    def __init__(self, values: pa.ChunkedArray, places: np.ndarray | None = None):
        self.values, self.places = values, places

    def __len__(self) -> int:
        return len(self.values) if self.places is None else len(self.places)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return list(
                ArrowCells(self.values, np.arange(len(self.values))[row] if self.places is None else self.places[row])
            )
        return self.values[int(row if self.places is None else self.places[row])].as_py()

    def __iter__(self) -> Iterator[Any]:
        if self.places is not None and (np.diff(self.places) < 0).any():
            yield from (self[row] for row in range(len(self)))
            return
        start = 0
        for chunk in self.values.chunks:
            for first in range(0, len(chunk), PART):
                part, end = chunk.slice(first, PART), start + min(PART, len(chunk) - first)
                if self.places is not None:
                    low, high = np.searchsorted(self.places, [start, end])
                    part = part.take(pa.array(self.places[low:high] - start))
                yield from part.to_pylist()
                start = end


class RowCells:
    """Some columns' cells as tuples, row by row, as often as they are gone through."""

    def __init__(self, table: Table, columns: tuple[str, ...]):
        self.table, self.columns = table, columns

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*(self.table.cells(column) for column in self.columns), strict=True)


def read_table(source: Any, media_root: str | os.PathLike[str] | None = None) -> Table:
    """A `Table` from a file or from memory.

    CSV and TSV cells stay text until a column's kind is known, so that a country 'NA' or a code '007' is not lost.

    Args:
        source: a path (.csv, .tsv, .parquet, .jsonl), a pandas or pyarrow table, a `datasets.Dataset`, a list of dicts, or a
            dict of columns: arrays (an axis for rows first), lists of PIL images, of (wave, rate) pairs, of bytes, of paths.
        media_root: where relative paths in cells start; the table's own folder where left out.

    Raises:
        DataError: no such file, not a table, no rows, columns of one name, columns of several lengths.
    """
    if isinstance(source, Table):
        return source if media_root is None else replace(source, root=Path(media_root))
    mapped = path = None
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        (frame, mapped), name, root = _read_file(path), path.name, path.parent
    elif isinstance(source, pd.DataFrame):
        frame, name, root = source.copy(deep=False), "the table", Path()
    elif isinstance(source, pa.Table):
        frame, name, root = source, "the table", Path()
    elif is_dataset(source):
        frame, name, root = from_dataset(source), "the table", Path()
    elif isinstance(source, Mapping):
        frame, name, root = _from_columns(source), "the table", Path()
    elif isinstance(source, Sequence) and all(isinstance(row, Mapping) for row in source):
        frame, name, root = pd.DataFrame(list(source)), "the table", Path()
    else:
        raise DataError(
            "a table must be a path, a pandas or pyarrow table, a dict of columns or a list of dicts; "
            f"got {type(source).__name__}."
        )
    frame = checked(frame, name)
    return Table(frame, Path(media_root) if media_root is not None else root, name, mapped=mapped, path=path)


def checked(frame: pd.DataFrame | pa.Table, name: str) -> pd.DataFrame | pa.Table:
    """Rows whose columns have names that differ."""
    arrow = isinstance(frame, pa.Table)
    columns = [str(column).strip() for column in (frame.column_names if arrow else frame.columns)]
    twice = sorted(column for column, count in Counter(columns).items() if count > 1)
    if twice:
        raise DataError(f"{name}: several columns are called '{twice[0]}'; names must differ.")
    if not len(frame) or not columns:
        raise DataError(f"{name} has no rows.")
    return frame.rename_columns(columns) if arrow else frame.set_axis(columns, axis=1).reset_index(drop=True)


def _read_file(path: Path) -> tuple[pd.DataFrame | pa.Table, mmap.mmap | None]:
    if not path.is_file():
        folder = path.parent
        names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        near = [] if path.is_dir() else difflib.get_close_matches(path.name, names, n=1)
        what = "is a folder, not a table" if path.is_dir() else "there is no such file"
        raise DataError(f"cannot read {path}: {what}." + (f" Did you mean '{near[0]}'?" if near else ""))
    ending = path.suffix.lower()
    if ending not in READERS:
        raise DataError(
            f"cannot read {path.name}: '{ending}' is no table's ending. There are: {', '.join(sorted(READERS))}."
        )
    with reading(path):
        if ending in {".csv", ".tsv"}:
            return next(csv_parts(path)), None
        if ending == ".parquet":
            return _from_parquet(path)
        return _from_json(path), None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around the reading of a table's file: says what is wrong with it.

    Raises:
        DataError: it can't be read.
    """
    ending = path.suffix.lower()
    try:
        yield
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path.name} has no rows.") from error
    except (ValueError, pa.ArrowException, OSError) as error:  # ParserError of pandas is a ValueError
        raise DataError(f"cannot read {path.name} as {ending[1:]}: {' '.join(str(error).split())[:200]}") from error


def csv_parts(path: Path, size: int | None = None) -> Iterator[pa.Table]:
    """The rows of a CSV or TSV file as text, `size` at a time; all at once where left out."""
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(path)
    # Without `header`, names that come twice stay so, and a row of too many cells is an error, not cut.
    options = {"sep": separator, "dtype": str, "keep_default_na": False, "encoding": "utf-8-sig", "header": None}
    if size is None:
        yield from _texts([pd.read_csv(path, **options)])
        return
    with pd.read_csv(path, **options, chunksize=size) as reader:
        yield from _texts(chain([reader.get_chunk(size + 1)], reader))  # the first has the names, too


def _texts(frames: Iterable[pd.DataFrame]) -> Iterator[pa.Table]:
    names: list[str] | None = None
    for frame in frames:
        if names is None:
            names, frame = [name or f"Unnamed: {i}" for i, name in enumerate(frame.iloc[0])], frame.iloc[1:]
        # Text in Arrow's layout takes a third of what Python's does.
        arrays = [pa.array(frame[i], pa.large_string(), from_pandas=True) for i in frame.columns]
        yield pa.Table.from_arrays(arrays, names)


def _separator(path: Path) -> str:
    """A semicolon where the first line has some and no comma: so spreadsheets write CSV where a comma is decimal."""
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    return ";" if ";" in first and "," not in first else ","


def _from_parquet(path: Path) -> tuple[pa.Table, mmap.mmap | None]:
    """The rows of a Parquet file. Many are laid out anew in a file without a name, mapped into memory, which goes by itself.

    A row of Parquet can't be read without the thousands beside it; one of a mapped Arrow file can.
    """
    file = pq.ParquetFile(path)
    plain = parquet_schema(file)
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) <= SMALL:
        return file.read(plain.names).cast(plain), None
    with tempfile.NamedTemporaryFile(dir=_scratch(), prefix=SCRATCH, suffix=".arrow") as scratch:
        with pa.OSFile(scratch.name, "wb") as sink, pa.ipc.new_file(sink, plain) as writer:
            for batch in file.iter_batches(65_536, columns=plain.names, use_threads=False):
                writer.write_table(pa.Table.from_batches([batch]).cast(plain), max_chunksize=BLOCK)
        pa.default_memory_pool().release_unused()
        mapped = mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ)
        return pa.ipc.open_file(pa.py_buffer(mapped)).read_all(), mapped


def parquet_schema(file: pq.ParquetFile) -> pa.Schema:
    """The columns of a Parquet file that are read, without the index that pandas writes, and as plain values."""
    return pa.schema(
        [
            pa.field(field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
            for field in file.schema_arrow
            if not re.fullmatch(r"__index_level_\d+__", field.name)
        ]
    )


def _scratch() -> str | None:
    """A folder on disk for a file that is too large for memory; the system's own, often in memory, where there is none."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


def _from_json(path: Path) -> pd.DataFrame:
    """An object a line, or one list of objects."""
    text = path.read_text("utf-8-sig")
    listed = text.lstrip().startswith("[")
    rows = []
    for number, line in enumerate([text] if listed else text.split("\n"), 1):
        try:
            rows.extend(json.loads(line) if listed else [json.loads(line)] if line.strip() else [])
        except json.JSONDecodeError as error:
            line_number = error.lineno if listed else number
            raise DataError(f"cannot read {path.name}: line {line_number} is not JSON ({error.msg}).") from error
    for row in rows:
        if not isinstance(row, dict):
            raise DataError(f"cannot read {path.name}: a row must be an object, {{...}}; got {row!r:.60}.")
    return pd.DataFrame(rows)


def _from_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
    if columns and all(map(is_dataset, columns.values())):
        splits = ", ".join(map(str, columns))
        raise DataError(
            f"a table must be one split of a set; got all of them ({splits}). Give one: set['{next(iter(columns))}']."
        )
    for name, values in columns.items():
        if isinstance(values, str | bytes) or getattr(values, "ndim", 1) == 0 or not hasattr(values, "__len__"):
            raise DataError(f"column '{name}' must be a list or an array; got {type(values).__name__}.")
    lengths = {str(name): len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"'{name}' {length}" for name, length in lengths.items())
        raise DataError(f"all columns must have the same number of rows; got {listed}.")
    frame = {}
    for name, values in columns.items():
        if isinstance(values, pd.Series) or (isinstance(values, np.ndarray) and values.ndim == 1):
            frame[name] = pd.Series(values).reset_index(drop=True)
            continue
        cells = np.empty(
            len(values), dtype=object
        )  # element by element: NumPy would unpack pairs, PIL images and lists
        for i, value in enumerate(values):
            cells[i] = value
        frame[name] = pd.Series(cells)
    return pd.DataFrame(frame)


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write rows as the ending says (.csv, .tsv, .parquet, .jsonl), whole or not at all.

    Raises:
        DataError: another ending.
    """
    write_parts([frame], path)


def write_parts(parts: Iterable[pd.DataFrame | pa.Table], path: str | os.PathLike[str]) -> None:
    """`write_table` of rows that come in parts of the same columns; one part is in memory at a time.

    Raises:
        DataError: another ending.
    """
    path = Path(path)
    check_writable(path)
    ending = path.suffix.lower()
    if ending == ".parquet":
        content = as_parquet(
            part if isinstance(part, pa.Table) else pa.Table.from_pandas(part, preserve_index=False) for part in parts
        )
        write_atomically(path, content)
        return
    frames = (part.to_pandas() if isinstance(part, pa.Table) else part for part in parts)
    if ending in {".csv", ".tsv"}:
        separator = "\t" if ending == ".tsv" else ","
        numbered = enumerate(frames)
        content = (frame.to_csv(index=False, sep=separator, header=part == 0).encode() for part, frame in numbered)
    else:
        content = (frame.to_json(orient="records", lines=True, force_ascii=False).encode() for frame in frames)
    write_atomically(path, content)


def check_writable(path: Path) -> None:
    """
    Raises:
        DataError: no table can be written with this ending.
    """
    if path.suffix.lower() not in WRITERS:
        raise DataError(
            f"cannot write {path.name}: '{path.suffix.lower()}' must be one of .csv, .jsonl, .parquet, .tsv."
        )


def as_parquet(
    tables: Iterable[pa.Table], size: int | None = None, told: Callable[[], dict[str, str]] = dict, **options: Any
) -> Iterator[bytes]:
    """The bytes of a Parquet file of tables of one schema, as they come.

    Args:
        tables: its rows, in pieces.
        size: rows of a row group, at most.
        told: called at the end for what the file is to tell of itself.
        options: of `pyarrow.parquet.ParquetWriter`.
    """
    sink, writer = _Sink(), None
    for table in tables:
        writer = writer or pq.ParquetWriter(pa.PythonFile(sink, "w"), table.schema, **options)
        writer.write_table(table, row_group_size=size)
        yield sink.take()
    if writer is not None:
        if about := told():
            writer.add_key_value_metadata(about)
        writer.close()
    yield sink.take()


class _Sink:
    """A file that is written to, whose bytes are taken away meanwhile."""

    closed = False

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.length = 0

    def write(self, piece: Any) -> int:
        self.pieces.append(bytes(piece))
        self.length += len(self.pieces[-1])
        return len(self.pieces[-1])

    def tell(self) -> int:
        return self.length

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken, self.pieces = b"".join(self.pieces), []
        return taken


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file so that a kill at any instant leaves the old one or the new one, never a half.

    Args:
        path: of the file; folders that are not there are made.
        content: whole, or in pieces, one after another.

    Raises:
        DataError: the folder can't be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines([content] if isinstance(content, bytes) else content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
