"""What any training begins with, and what it leaves to be gone on with and to be known by."""

import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sensorium.config import Training
from sensorium.data.batches import Rows
from sensorium.data.problems import Problems
from sensorium.data.row_numbers import write_numbers
from sensorium.data.table import Table
from sensorium.export.archive import read_json, write_json
from sensorium.media.cache import content_digest

__all__ = ["begin", "kept_precision", "run_record"]

VERSIONS = ("sensorium", "torch", "lightning", "numpy", "pandas", "pillow", "av", "soundfile", "soxr", "tokenizers")


def begin(options: Training) -> None:
    """Seed and threads."""
    torch.manual_seed(options.seed)
    if options.threads is not None:
        torch.set_num_threads(options.threads)


def kept_precision(folder: Path, resume: bool, measured: Callable[[], str]) -> str:
    """The precision of a training with checkpoints in `folder`: where it is resumed, what it began with.

    Else what `measured` gives is kept there.
    """
    state = folder / "state.json"
    if resume and state.exists():
        return read_json(state)["precision"]
    precision = measured()
    write_json(state, {"precision": precision})
    return precision


def run_record(seed: int, precision: str, rows: Rows, valid: Rows, problems: Problems) -> dict[str, Any]:
    """What run.json says of a training beside its checksums."""
    return {
        "seed": seed,
        "precision": precision,
        "rows": {"train": len(rows), "valid": len(valid)},
        "problems": len(problems.found),
        "data": _sources({"train": rows.table, "valid": valid.table}),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
    }


def _sources(tables: Mapping[str, Table]) -> dict[str, dict[str, str] | None]:
    """Where rows came from, so that they can be looked at again: the file, its SHA-256, and which of its rows.

    None: from memory, or from a file that is gone by now.
    """
    found: dict[str, dict[str, str] | None] = dict.fromkeys(tables)
    sums: dict[Path, str] = {}
    for side, table in tables.items():
        if table.path is None or not table.path.is_file():
            continue
        path = table.path.absolute()
        if path not in sums:
            sums[path] = content_digest(path).hex()
        numbers = write_numbers([table.number(place) for place in range(len(table))])
        root = str(table.root.absolute())
        found[side] = {"table": str(path), "media_root": root, "sha256": sums[path], "rows": numbers}
    return found
