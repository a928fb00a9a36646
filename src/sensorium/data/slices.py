"""A table of any size as numbered parts, each of which is read by itself: of Parquet in place, of other kinds laid out once."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sensorium.data.table import (
    Table,
    as_parquet,
    checked,
    csv_parts,
    parquet_schema,
    read_table,
    reading,
    write_atomically,
)
from sensorium.errors import DataError
from sensorium.media.cache import content_digest

__all__ = ["Slices", "lay_out"]

PIECE = 1024  # rows that are decoded at once: a cell may be a whole picture


@dataclass(frozen=True)
class Slices:
    """Where the rows of a table are, a part at a time.

    Args:
        name: of the table's file, for messages.
        root: the folder that paths in cells start from.
        path: of what the parts are read from: a Parquet file, or a file of JSON lines.
        digest: SHA-256 of the table's file.
        rows: of the table.
        size: rows of a part; the last has what is left.
        places: of JSON lines: the byte where each part begins, and where the last one ends.
        witnesses: of JSON lines: some rows that together show every kind of value that each column has. A part is typed
            together with them, so that it is read as it would be within the whole table.
    """

    name: str
    root: str
    path: str
    digest: str
    rows: int
    size: int
    places: tuple[int, ...] = ()
    witnesses: tuple[Mapping[str, Any], ...] = ()

    def __len__(self) -> int:
        return -(-self.rows // self.size)

    def count(self, part: int) -> int:
        """Rows of a part."""
        return min(self.size, self.rows - part * self.size)

    def table(self, part: int) -> Table:
        """The rows of a part. They are numbered from 1 on; `part * size` rows are before them.

        Raises:
            DataError: the file has changed meanwhile.
        """
        try:
            read = self._lines(part) if self.places else self._parquet(part)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DataError(f"cannot read part {part} of {self.name}: {' '.join(str(error).split())[:200]}") from error
        if len(read) != self.count(part):
            raise DataError(f"{self.path} has changed: part {part} has {len(read)} rows and had {self.count(part)}.")
        return replace(read_table(read, self.root), name=self.name)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Slices":
        return cls(**{**told, "places": tuple(told["places"]), "witnesses": tuple(told["witnesses"])})

    def _parquet(self, part: int) -> pa.Table:
        start, left = part * self.size, self.count(part)
        with pq.ParquetFile(self.path) as file:
            plain = parquet_schema(file)
            counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            ends = np.cumsum(counts)
            groups = np.flatnonzero((ends > start) & (ends - counts < start + left)).tolist()
            skip = start - int(ends[groups[0]] - counts[groups[0]]) if groups else 0
            found = []
            for batch in file.iter_batches(PIECE, row_groups=groups, columns=plain.names, use_threads=False):
                # Cast before it is cut: Arrow can't cast a part of a struct that holds nothing but nulls.
                taken = pa.Table.from_batches([batch]).cast(plain).slice(min(skip, len(batch)), left)
                skip, left = max(0, skip - len(batch)), left - len(taken)
                found.append(taken)
                if not left:
                    break
        return pa.concat_tables(found)

    def _lines(self, part: int) -> pd.DataFrame:
        begin, end = self.places[part], self.places[part + 1]
        with open(self.path, "rb") as file:
            file.seek(begin)
            lines = file.read(end - begin).split(b"\n")
        rows = [json.loads(line) for line in lines if line.strip()]
        return pd.DataFrame([*self.witnesses, *rows]).iloc[len(self.witnesses) :]


def lay_out(path: Path, folder: Path, size: int, media_root: Path | None = None) -> Slices:
    """Where the parts of a table are. It is gone through once, in a stream.

    Parquet and JSON lines are read where they lie. CSV and TSV, whose rows can't be found without all before them, are laid
    out as Parquet in `folder` first, and a JSON list as lines.

    Args:
        path: of the table.
        folder: for what is laid out.
        size: rows of a part.
        media_root: where relative paths in cells start; the table's folder where left out.

    Raises:
        DataError: no such file, not a table, no rows.
    """
    path = path.absolute()
    ending = path.suffix.lower()
    if not path.is_file() or ending not in {".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"}:
        found = read_table(path)  # which tells what is wrong, or is a JSON list
        rows = found.source.to_dict(orient="records")
        lines = (json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
        source = folder / "_table.jsonl"
        write_atomically(source, lines)
    elif ending in {".csv", ".tsv"}:
        source = folder / "_table.parquet"
        with reading(path):
            write_atomically(source, as_parquet((checked(part, path.name) for part in csv_parts(path, size)), size))
    else:
        source = path
    about = {"name": path.name, "root": str(Path(media_root or path.parent).absolute()), "path": str(source)}
    about |= {"digest": content_digest(path).hex(), "size": size}
    if source.suffix == ".parquet":
        with reading(path):
            found = Slices(**about, rows=pq.read_metadata(source).num_rows)
    else:
        found = Slices(**about, **_look_through(source, path.name, size))
    if not found.rows:
        raise DataError(f"{path.name} has no rows.")
    return found


def _look_through(path: Path, name: str, size: int) -> dict[str, Any]:
    """rows, places and witnesses of a file of JSON lines."""
    rows, places, witnesses = 0, [], []
    columns: dict[str, None] = {}
    kinds: set[tuple[str, type]] = set()
    seen: set[tuple[Any, ...]] = set()
    at = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            begin, at = at, at + len(line)
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                begin, line = 3, line[3:]
            if not line.strip():
                continue
            row = _object(line, number, name)
            if rows % size == 0:
                places.append(begin)
            rows += 1
            signature = (*row, *map(type, row.values()))
            if signature in seen:
                continue
            seen.add(signature)
            shown = {(column, type(row.get(column))) for column in {**columns, **row}}
            if not shown <= kinds:
                witnesses.append(row)
                kinds |= shown
                columns |= dict.fromkeys(row)
    return {"rows": rows, "places": (*places, at), "witnesses": tuple(witnesses)}


def _object(line: bytes, number: int, name: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 (line {number}). Save it as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise DataError(f"cannot read {name}: line {number} is not JSON ({error.msg}).") from error
    if not isinstance(row, dict):
        raise DataError(f"cannot read {name}: a row must be an object, {{...}}; got {row!r:.60}.")
    return row
