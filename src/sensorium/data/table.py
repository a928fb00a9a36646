"""Any table to one kind: a DataFrame, the folder its media lie in, and its name for messages."""

import difflib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sensorium.errors import DataError, MediaError

__all__ = ["Table", "read_table", "write_atomically", "write_table"]

READERS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class Table:
    """Rows to learn from or to answer.

    Args:
        frame: the cells, with rows numbered from 0.
        root: the folder that paths in cells start from.
        name: of the file, for messages.
        numbers: each row's number in the file, from 1, where rows were taken out of a larger table.
    """

    frame: pd.DataFrame
    root: Path
    name: str = "table"
    numbers: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        return list(self.frame.columns)

    def number(self, row: int) -> int:
        """The row's number in the file it came from; 1 is the first row of data."""
        return row + 1 if self.numbers is None else int(self.numbers[row])

    def where(self, row: int) -> str:
        """How messages name a row: 'train.csv row 17'."""
        return f"{self.name} row {self.number(row)}"

    def cells(self, column: str) -> list[Any]:
        return list(self.frame[column])

    def take(self, rows: Sequence[int] | np.ndarray) -> "Table":
        """Some of the rows, which keep their numbers."""
        rows = np.asarray(rows, dtype=int)
        numbers = np.array([self.number(int(row)) for row in rows], dtype=int)
        return replace(self, frame=self.frame.iloc[rows].reset_index(drop=True), numbers=numbers)

    def resolve(self, item: Any) -> Any:
        """A media item of a cell, with a relative path led from `root`.

        Raises:
            MediaError: it is a URL, or something that no medium is made of.
        """
        if isinstance(item, str):
            if "://" in item[:16]:
                raise MediaError("it is a URL; only local files are read")
            return self.root / item
        if isinstance(item, os.PathLike):
            return self.root / item
        if isinstance(item, int | float | bool):
            raise MediaError(f"it must be a path, bytes or an array; got {item!r}")
        return item


def read_table(source: Any, media_root: str | os.PathLike[str] | None = None) -> Table:
    """A `Table` from a file or from memory.

    CSV and TSV cells stay text until a column's kind is known, so that a country 'NA' or a code '007' is not lost.

    Args:
        source: a path (.csv, .tsv, .parquet, .jsonl), a pandas or pyarrow table, a list of dicts, or a dict of columns:
            arrays (an axis for rows first), lists of PIL images, of (wave, rate) pairs, of bytes, of paths.
        media_root: where relative paths in cells start; the table's own folder where left out.

    Raises:
        DataError: no such file, not a table, no rows, columns of one name, columns of several lengths.
    """
    if isinstance(source, Table):
        return source if media_root is None else replace(source, root=Path(media_root))
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        frame, name, root = _read_file(path), path.name, path.parent
    elif isinstance(source, pd.DataFrame):
        frame, name, root = source.copy(deep=False), "the table", Path()
    elif isinstance(source, pa.Table):
        frame, name, root = source.to_pandas(), "the table", Path()
    elif isinstance(source, Mapping):
        frame, name, root = _from_columns(source), "the table", Path()
    elif isinstance(source, Sequence) and all(isinstance(row, Mapping) for row in source):
        frame, name, root = pd.DataFrame(list(source)), "the table", Path()
    else:
        raise DataError(
            "a table must be a path, a pandas or pyarrow table, a dict of columns or a list of dicts; "
            f"got {type(source).__name__}."
        )
    frame.columns = [str(column).strip() for column in frame.columns]
    twice = sorted(set(frame.columns[frame.columns.duplicated()]))
    if twice:
        raise DataError(f"{name}: several columns are called '{twice[0]}'; names must differ.")
    if not len(frame) or not len(frame.columns):
        raise DataError(f"{name} has no rows.")
    return Table(frame.reset_index(drop=True), Path(media_root) if media_root is not None else root, name)


def _read_file(path: Path) -> pd.DataFrame:
    if not path.is_file():
        folder = path.parent
        names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        near = difflib.get_close_matches(path.name, names, n=1)
        what = "is a folder, not a table" if path.is_dir() else "there is no such file"
        raise DataError(f"cannot read {path}: {what}." + (f" Did you mean '{near[0]}'?" if near else ""))
    ending = path.suffix.lower()
    if ending not in READERS:
        raise DataError(
            f"cannot read {path.name}: '{ending}' is no table's ending. There are: {', '.join(sorted(READERS))}."
        )
    try:
        if ending in {".csv", ".tsv"}:
            separator = "\t" if ending == ".tsv" else ","
            frame = pd.read_csv(
                path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
            )
            return frame.astype(object)
        if ending == ".parquet":
            return pq.read_table(path).to_pandas()
        return pd.read_json(path, lines=True, dtype=False, convert_dates=False, encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path.name} has no rows.") from error
    except (ValueError, pa.ArrowException, OSError) as error:  # ParserError of pandas is a ValueError
        raise DataError(f"cannot read {path.name} as {ending[1:]}: {' '.join(str(error).split())[:200]}") from error


def _from_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
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
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
        content = sink.getvalue().to_pybytes()
    elif ending in {".csv", ".tsv"}:
        content = frame.to_csv(index=False, sep="\t" if ending == ".tsv" else ",").encode()
    elif ending in {".jsonl", ".ndjson"}:
        content = frame.to_json(orient="records", lines=True, force_ascii=False).encode()
    else:
        raise DataError(f"cannot write {path.name}: '{ending}' must be one of .csv, .jsonl, .parquet, .tsv.")
    write_atomically(path, content)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a kill at any instant leaves the old one or the new one, never a half.

    Raises:
        DataError: the folder can't be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
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
