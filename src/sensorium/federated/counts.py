"""What a site tells of its training rows so that all sites read theirs alike: sums and counts, no row.

A word or a category goes from a site only where `least` of its rows have it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.build import build_readers
from sensorium.config import Config
from sensorium.data.cells import is_missing
from sensorium.data.schema import Schema
from sensorium.data.table import Table
from sensorium.data.tabular import ORDER, TabularReader, VectorReader, vector
from sensorium.data.targets import is_filled, label, labels, number
from sensorium.data.text import TextReader, pieces_of
from sensorium.federated.moments import moments_of

__all__ = ["MOST_WORDS", "counts_of", "day_first_columns"]

MOST_WORDS = 50_000  # of a site and a column; the most frequent ones


def counts_of(table: Table, config: Config, schema: Schema, least: int) -> dict[str, Any]:
    """The counts of a site's training rows, by input and by target, as plain data.

    Args:
        table: the rows to learn from.
        config, schema: as agreed.
        least: rows of the site that must have a word or a category for it to be told.
    """
    inputs = {}
    for name, reader in build_readers(config, schema).items():
        if not set(reader.columns) & set(table.columns):
            continue
        rows = _rows(table, reader.columns)
        if isinstance(reader, TabularReader):
            inputs[name] = _tabular(reader, rows, least)
        elif isinstance(reader, VectorReader):
            inputs[name] = _vectors(rows)
        elif isinstance(reader, TextReader):
            inputs[name] = {} if reader.given else _words(reader, rows, least)
    targets = {
        name: _target(table.cells(name), target.task)
        for name, target in config.targets.items()
        if name in table.columns
    }
    return {"inputs": inputs, "targets": targets}


def _rows(table: Table, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The cells of these columns, None where the table lacks one."""
    there = set(table.columns)
    cells = [table.cells(column) if column in there else [None] * len(table) for column in columns]
    return list(zip(*cells, strict=True))


def day_first_columns(reader: TabularReader, rows: Sequence[Sequence[Any]]) -> list[str]:
    """The columns of dates in which one cell such as 25/3/2024 says how all are written."""
    found = []
    for place, (name, kind) in enumerate(reader.kinds.items()):
        if kind == "date":
            orders = (ORDER.fullmatch(label(row[place])) for row in rows)
            if any(order and int(order[1]) > 12 for order in orders):
                found.append(name)
    return found


def _tabular(reader: TabularReader, rows: Sequence[Sequence[Any]], least: int) -> dict[str, Any]:
    reader.day_first = day_first_columns(reader, rows)
    categories = {}
    for place, (name, kind) in enumerate(reader.kinds.items()):
        if kind in {"boolean", "categorical"}:
            seen = Counter(reader._category(row[place], kind) for row in rows)
            seen.pop(None, None)
            categories[name] = {value: count for value, count in seen.items() if count >= least}
    numbers = np.array([reader._numbers(row) for row in rows], dtype=np.float64)
    return {"moments": moments_of(numbers).to_json(), "categories": categories, "day_first": reader.day_first}


def _vectors(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    found = [value for (cell,) in rows if not is_missing(cell) and (value := vector(cell)) is not None]
    if not found:
        return {}
    size = Counter(map(len, found)).most_common(1)[0][0]
    values = np.stack([value for value in found if len(value) == size]).astype(np.float64)
    return {"size": size, "moments": moments_of(values).to_json()}


def _words(reader: TextReader, rows: Sequence[Sequence[Any]], least: int) -> dict[str, Any]:
    """Words with how often they occur, those of `least` rows alone; and how long nearly all texts are, in bytes."""
    texts = [reader.text(cell) for (cell,) in rows if not is_missing(cell)]
    often, holders = Counter(), Counter()
    for text in texts:
        words = pieces_of(text)
        often.update(words)
        holders.update(set(words))
    told = {word: count for word, count in often.most_common() if holders[word] >= least}
    lengths = [len(text.encode()) for text in texts]
    return {
        "words": dict(list(told.items())[:MOST_WORDS]),
        "characters": sum(map(len, texts)),
        "bytes": float(np.quantile(lengths, 0.98)) if lengths else 0.0,
    }


def _target(cells: Sequence[Any], task: str) -> dict[str, Any]:
    """Rows of each class or label, or the moments of the numbers."""
    filled = [cell for cell in cells if is_filled(cell, task)]
    if task == "regression":
        return {
            "moments": moments_of(
                np.array([[number(cell)] for cell in filled], dtype=np.float64).reshape(-1, 1)
            ).to_json()
        }
    names = (set(labels(cell)) if task == "multilabel" else [label(cell)] for cell in filled)
    return {"classes": Counter(name for found in names for name in found)}
