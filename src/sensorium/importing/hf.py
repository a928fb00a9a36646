"""What `save_to_disk` of Hugging Face's `datasets` writes, read by pyarrow alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sensorium.data.hf_dataset import named
from sensorium.errors import DataError
from sensorium.importing.deal import deal
from sensorium.importing.found import Found, not_found

__all__ = ["read_hf"]

SPLITS = {"validation": "valid", "val": "valid", "dev": "valid"}
PART = 1000


def read_hf(folder: Path, seed: int) -> Found:
    """All columns of a saved set: media as they lie in it, classes by their names.

    A `DatasetDict` has its splits, "validation" is called valid; the rows of a single `Dataset` are dealt out. What is
    to be learned the set does not say.

    Reference: huggingface/datasets, `Dataset.save_to_disk`: dataset_dict.json lists the splits' folders, in each of
    which state.json lists the files of Arrow's stream format and dataset_info.json has the features.
    """
    found = Found({})
    if (folder / "dataset_dict.json").is_file():
        for name in _json(folder / "dataset_dict.json", "splits")["splits"]:
            table, split = _table(folder / name), SPLITS.get(name, name)
            found.tables[split] = _parts(folder / name, table, np.full(len(table), True), split, found.notes)
    elif (folder / "state.json").is_file():
        table = _table(folder)
        for split, rows in deal(np.zeros(len(table)), seed).items():
            chosen = np.isin(np.arange(len(table)), rows)
            found.tables[split] = _parts(folder, table, chosen, split, found.notes)
        found.notes.append("The set has no splits: its rows were dealt out.")
    else:
        raise not_found(folder, "hf", ["dataset_dict.json", "state.json"])
    return found


def _json(path: Path, key: str) -> dict[str, Any]:
    """An object of JSON that has `key`."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path} as JSON: {error}") from error
    if not isinstance(found, dict) or key not in found:
        raise DataError(f"{path} must be an object of JSON with '{key}' in it.")
    return found


def _table(place: Path) -> pa.Table:
    """A split's rows, mapped into memory, in the order that it has."""
    state = _json(place / "state.json", "_data_files")
    table = _joined(place, state["_data_files"])
    if order := state.get("_indices_data_files"):  # of old versions, which wrote a selection beside all rows
        table = table.take(_joined(place, order).column(0).combine_chunks())
    if not len(table):
        raise DataError(f"{place} has no rows.")
    return table


def _joined(place: Path, files: list[dict[str, str]]) -> pa.Table:
    tables = []
    for file in files:
        path = place / Path(file["filename"]).name
        try:
            tables.append(pa.ipc.open_stream(pa.memory_map(str(path))).read_all())
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"cannot read {path} as a stream of Arrow: {error}") from error
    return pa.concat_tables(tables)


def _parts(place: Path, table: pa.Table, chosen: np.ndarray, split: str, notes: list[str]) -> Iterator[pa.Table]:
    """The chosen rows (N,) bool, some at a time, since a set may be larger than the memory."""
    features = _json(place / "dataset_info.json", "features")["features"]
    classes = {
        column: of["names"]
        for column, of in features.items()
        if isinstance(of, dict) and of.get("_type") == "ClassLabel"
    }
    media = [field.name for field in table.schema if _is_media(field.type)]
    gone = dict.fromkeys(media, 0)
    for first in range(0, len(table), PART):
        part = named(table.slice(first, PART).filter(pa.array(chosen[first : first + PART])), classes)
        for column in media:
            cells = part[column].to_pylist()
            there = [cell if _is_there(cell) else None for cell in cells]
            gone[column] += sum(now is None and cell is not None for cell, now in zip(cells, there, strict=True))
            at = part.schema.get_field_index(column)
            part = part.set_column(at, column, pa.array(there, part.schema.field(at).type))
        yield part
    notes.extend(f"{split}: {count} files of '{column}' are not there." for column, count in gone.items() if count)


def _is_media(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and {field.name for field in kind} == {"bytes", "path"}


def _is_there(cell: dict[str, Any] | None) -> bool:
    if cell is None or cell["bytes"] is not None:
        return cell is not None
    return bool(cell["path"]) and Path(cell["path"]).is_file()
