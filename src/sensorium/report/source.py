"""The rows that a run was made from, found again where they lay."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sensorium.data.row_numbers import read_numbers
from sensorium.data.table import Table, read_table
from sensorium.media.cache import content_digest

__all__ = ["Found", "find_rows"]


class Found(NamedTuple):
    """The rows, or why there are none: `why` is unknown, gone or changed; `name` is that of their file."""

    table: Table | None
    why: str = ""
    name: str = ""


def find_rows(run: Mapping[str, Any], side: str, say: Callable[[str], None] = lambda _: None) -> Found:
    """The rows that the run of this run.json learned from or was validated with, if their file is still as it was.

    Args:
        run: of `Predictor.run`.
        side: train or valid.
        say: called with the path of a file that is gone or was changed.
    """
    source = (run.get("data") or {}).get(side)
    if source is None:
        return Found(None, "unknown")
    path = Path(source["table"])
    if "rows" not in source:  # of a run that was given away without what tells of its rows
        return Found(None, "gone", path.name)
    if not path.is_file() or not os.access(path, os.R_OK):
        say(f"there is no {path} any more.")
        return Found(None, "gone", path.name)
    if content_digest(path).hex() != source["sha256"]:
        say(f"{path} is not the file that was read (its checksum differs).")
        return Found(None, "changed", path.name)
    table = read_table(path, source["media_root"])
    return Found(table.take([number - 1 for number in read_numbers(source["rows"])]), name=path.name)
