"""The folder of an exported graph: model.onnx, and model.json, which says how its inputs are read and its outputs meant."""

import hashlib
import json
from pathlib import Path
from typing import Any

from sensorium.errors import DataError

__all__ = ["DESCRIPTION", "FORMAT", "GRAPH", "checksum", "read_description"]

FORMAT = 1
GRAPH, DESCRIPTION = "model.onnx", "model.json"


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_description(folder: Path) -> dict[str, Any]:
    """What model.json says, once it is sure that the graph beside it is the one that it was written with.

    Raises:
        DataError: no such folder or files, damaged, of another format, or another graph.
    """
    path, graph = folder / DESCRIPTION, folder / GRAPH
    for file in (path, graph):
        if not file.is_file():
            raise DataError(f"{folder} is no exported model: it has no {file.name}.")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged and can't be read. Export again.") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        found = told.get("format") if isinstance(told, dict) else None
        raise DataError(f"{path} has the format {found!r}; this sensorium reads format {FORMAT}.")
    if checksum(graph) != told["graph"]["sha256"]:
        raise DataError(f"{graph} is not the graph that was exported (its checksum differs); it is not loaded.")
    return told
