"""Rows of the run's own table, as the page's form takes them."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.cells import is_missing, split_bag
from sensorium.data.redaction import redact
from sensorium.data.table import Table
from sensorium.data.tabular import truth
from sensorium.errors import DataError, MediaError
from sensorium.media.limits import Limits
from sensorium.media.metadata import without_metadata
from sensorium.report.source import find_rows
from sensorium.serving.engine import Engine
from sensorium.serving.fields import FieldOfRow
from sensorium.serving.refusal import Refusal

__all__ = ["example_rows"]

LOOK = 200  # rows that are looked at


def example_rows(engine: Engine, count: int) -> list[dict[str, Any]]:
    """Rows that the run was validated with, else learned from, of as many answers as there are; none where it can't tell.

    Args:
        engine: of the run.
        count: rows, at most.

    Returns:
        Of each its number, its cells by field (text; of media lists of {name, base64}) and what it says of the targets.
    """
    if not count:
        return []
    for side in ("valid", "train"):
        try:
            table = find_rows(engine.predictor.run, side).table
        except (DataError, OSError):  # it can't be read any more
            continue
        if table is not None:
            return _of_table(engine, table, count)
    return []


def _of_table(engine: Engine, table: Table, count: int) -> list[dict[str, Any]]:
    targets = [name for name in engine.predictor.coders if name in table.columns]
    table = table.take(np.unique(np.linspace(0, len(table) - 1, min(LOOK, len(table))).astype(int)))
    found, left = [], engine.options.max_bytes * 3 // 4  # of all files together: they are kept, and a third larger
    for place in _mixed(table.cells(targets[0]) if targets else [""] * len(table)):
        row = _row(engine, table, place, targets, left)
        if row is not None:
            found.append(row)
            left -= _size(row["cells"])
        if len(found) == count:
            break
    return found


def _mixed(answers: Sequence[Any]) -> list[int]:
    """The places, one of each answer first, then a second of each, and so on."""
    seen: dict[str, int] = {}
    order = []
    for place, answer in enumerate(answers):
        turn = seen[str(answer)] = seen.get(str(answer), 0) + 1
        order.append((turn, place))
    return [place for _, place in sorted(order)]


def _row(engine: Engine, table: Table, place: int, targets: list[str], left: int) -> dict[str, Any] | None:
    """A row; None where its files have more than `left` bytes, or the server would not take it."""
    cells: dict[str, Any] = {}
    for field in engine.schema.fields.values():
        cell = table.cells(field.name)[place] if field.name in table.columns else None
        if is_missing(cell):
            continue
        readers = [reader for reader in engine.predictor.readers.values() if field.name in reader.columns]
        if field.files:
            faces = any(getattr(reader, "options", {}).get("faces") == "blur" for reader in readers)
            value = _files(cell, field, table, left - _size(cells), engine.limits, faces)
        elif any(getattr(reader, "redact", False) for reader in readers):
            value = redact(_text(cell, field.kind)).text
        else:
            value = _text(cell, field.kind)
        if value is None:
            return None
        cells[field.name] = value
    sent = {name: [file["data"] for file in cell] if isinstance(cell, list) else cell for name, cell in cells.items()}
    try:
        engine.schema.read({"rows": [sent]})
    except Refusal:
        return None
    said = {name: table.cells(name)[place] for name in targets}
    truths = {name: str(cell) for name, cell in said.items() if not is_missing(cell)}
    return {"row": table.number(place), "cells": cells, "truth": truths}


def _files(
    cell: Any, field: FieldOfRow, table: Table, left: int, limits: Limits, faces: bool
) -> list[dict[str, str]] | None:
    """A cell's files, pictures without what stands beside them in the file: place, time, camera."""
    found = []
    for item in split_bag(cell)[: field.files]:
        try:
            source = table.resolve(item)
            if isinstance(source, Path):
                if not source.is_file() or source.stat().st_size > left:
                    return None
                name, source = source.name, source.read_bytes()
            else:
                name = field.kind
            if field.kind == "image" and isinstance(source, bytes):
                source = without_metadata(source, limits, faces)
        except (MediaError, OSError):
            return None
        if not isinstance(source, bytes) or len(source) > left:  # an array: there is no file
            return None
        left -= len(source)
        found.append({"name": name, "data": base64.b64encode(source).decode()})
    return found


def _size(cells: dict[str, Any]) -> int:
    """Bytes of the files."""
    return sum(len(file["data"]) * 3 // 4 for cell in cells.values() if isinstance(cell, list) for file in cell)


def _text(cell: Any, kind: str) -> str:
    if isinstance(cell, list | tuple | np.ndarray):
        return ", ".join(f"{value}" for value in cell)
    return (truth(cell) if kind == "boolean" else None) or str(cell)
