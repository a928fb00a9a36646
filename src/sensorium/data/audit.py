"""What is in a table, before anything is learned from it: the facts that `sensorium inspect` shows."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.cells import is_missing, split_bag
from sensorium.data.schema import MEDIA, Schema
from sensorium.data.table import Table
from sensorium.data.targets import guess_task, is_filled, label, number
from sensorium.errors import DataError, MediaError, did_you_mean
from sensorium.media.cache import content_digest
from sensorium.media.loader import probe_files

__all__ = ["audit"]

LISTED = 20  # problems of a column that are named; all are counted


def audit(table: Table, schema: Schema, targets: Sequence[str] = (), valid: Table | None = None) -> dict[str, Any]:
    """Every column's facts, the targets' balance, duplicate media, and columns that give a target away.

    Media files are opened and their headers read; nothing is decoded.

    Returns:
        {"rows", "columns": [...], "targets": {...}, "duplicates": [...], "leaks": [...], "hints": [...]}, as JSON.

    Raises:
        DataError: a target that the table lacks.
    """
    for name in targets:
        if name not in table.columns:
            raise DataError(f"{table.name} has no column '{name}'. {did_you_mean(name, table.columns)}")
    columns, digests = [], {}
    for column in schema.columns.values():
        facts: dict[str, Any] = {
            "name": column.name, "modality": column.modality, "reason": column.reason, "missing": column.missing,
            "unique": column.unique, "bag": column.bag, "facts": column.facts, "unreadable": 0, "problems": [],
        }  # fmt: skip
        if column.modality in MEDIA:
            digests[column.name] = _media(table, column.name, facts)
        columns.append(facts)
    duplicates = [d for name, found in digests.items() for d in _duplicates(name, found, table, targets)]
    if valid is not None:
        for name, found in digests.items():
            if name in valid.columns:
                both = set(found) & set(_media(valid, name, {"unreadable": 0, "problems": []}))
                if both:
                    duplicates.append({"column": name, "kind": f"also in {valid.name}", "files": len(both)})
    hints = [
        f"'{c.name}' has a sound track; to use it add the input {c.name}_sound: {{column: {c.name}, modality: audio}}"
        for c in schema.of("video")
        if c.facts.get("has_audio")
    ]
    return {
        "rows": len(table),
        "columns": columns,
        "targets": {name: _balance(table.cells(name)) for name in targets},
        "duplicates": duplicates,
        "leaks": [leak for name in targets for leak in _leaks(table, schema, name, targets)],
        "hints": hints,
    }


def _media(table: Table, name: str, facts: dict[str, Any]) -> dict[bytes, list[int]]:
    """Probe every file of a column; returns the rows of each content, by its hash."""
    rows: dict[bytes, list[int]] = defaultdict(list)
    sizes, seconds = [], []
    for part in batched(((row, item) for row, cell in enumerate(table.cells(name)) for item in split_bag(cell)), 1024):
        sources = [_source(table, item) for _, item in part]
        infos = iter(probe_files([source for source in sources if isinstance(source, bytes | Path)]))
        for (row, item), source in zip(part, sources, strict=True):
            try:
                if isinstance(source, MediaError):
                    raise source
                if not isinstance(source, bytes | Path):
                    continue  # decoded already
                if isinstance(info := next(infos), MediaError):
                    raise info
                rows[content_digest(source)].append(row)
            except (MediaError, OSError) as error:
                facts["unreadable"] += 1
                if len(facts["problems"]) < LISTED:
                    facts["problems"].append({"row": table.number(row), "item": str(item)[:200], "reason": str(error)})
                continue
            if info.width:
                sizes.append((info.height, info.width))
            if info.seconds:
                seconds.append(info.seconds)
    if sizes:
        sizes.sort(key=math.prod)
        facts["sizes"] = {"smallest": list(sizes[0]), "largest": list(sizes[-1])}
    if seconds:
        low, middle, high = np.quantile(seconds, [0, 0.5, 1])
        facts["seconds"] = {"shortest": round(low, 3), "median": round(middle, 3), "longest": round(high, 3)}
    return rows


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The items, `size` at a time."""
    items = iter(items)
    while part := list(islice(items, size)):
        yield part


def _source(table: Table, item: Any) -> Any:
    try:
        return table.resolve(item)
    except MediaError as error:
        return error


def _duplicates(name: str, found: dict[bytes, list[int]], table: Table, targets: Sequence[str]) -> list[dict[str, Any]]:
    repeated = [rows for rows in found.values() if len(set(rows)) > 1]
    if not repeated:
        return []
    notes = [{"column": name, "kind": "the same file in several rows", "files": len(repeated)}]
    for target in targets:
        cells = table.cells(target)
        differ = sum(len({label(cells[row]) for row in rows}) > 1 for rows in repeated)
        if differ:
            notes.append({"column": name, "kind": f"the same file with different '{target}'", "files": differ})
    return notes


def _balance(cells: Sequence[Any]) -> dict[str, Any]:
    task = guess_task(cells)
    filled = [cell for cell in cells if is_filled(cell, task)]
    found: dict[str, Any] = {"task": task, "missing": len(cells) - len(filled)}
    if task == "regression":
        values = np.array([number(cell) for cell in filled])
        found["quantiles"] = [float(q) for q in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])]
    else:
        found["classes"] = dict(Counter(label(c) for cell in filled for c in split_bag(cell)).most_common())
    return found


def _leaks(table: Table, schema: Schema, target: str, targets: Sequence[str]) -> list[dict[str, Any]]:
    """Columns that alone tell almost every row's target: each value's majority, learned on even rows, asked on odd ones."""
    if guess_task(table.cells(target)) != "classification":
        return []
    truth = [label(cell) for cell in table.cells(target)]
    usual = Counter(truth).most_common(1)[0][1] / len(truth)
    leaks = []
    for column in schema.columns.values():
        if column.name in targets or column.modality not in {"categorical", "numeric", "boolean", "date", "text"}:
            continue
        cells = [None if is_missing(cell) else label(cell) for cell in table.cells(column.name)]
        votes: dict[Any, Counter[str]] = defaultdict(Counter)
        for cell, answer in zip(cells[::2], truth[::2], strict=True):
            votes[cell][answer] += 1
        asked = [(c, a) for c, a in zip(cells[1::2], truth[1::2], strict=True) if c in votes]
        right = sum(votes[c].most_common(1)[0][0] == a for c, a in asked)
        if len(asked) >= 0.5 * len(cells[1::2]) and len(asked) >= 10 and right / len(asked) > max(0.97, usual + 0.02):
            leaks.append({"column": column.name, "target": target, "accuracy": right / len(asked)})
        said = [a.lower() in c.lower() for c, a in zip(cells, truth, strict=True) if c is not None and len(a) > 2]
        if column.modality == "text" and len(said) > 10 and np.mean(said) > 0.9:
            leaks.append({"column": column.name, "target": target, "names_it": float(np.mean(said))})
    return leaks
