"""An index on disk: vectors in safetensors, rows in Parquet, the graph as usearch writes it, all else JSON."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sensorium.data.table import write_atomically, write_table
from sensorium.errors import ConfigError, DataError
from sensorium.export.archive import write_json
from sensorium.media.cache import content_digest

__all__ = ["Stored", "read_folder", "write_folder"]

FORMAT = 1
HEAD, VECTORS, ROWS, GRAPH = "index.json", "vectors.safetensors", "rows.parquet", "graph.usearch"


class Stored(NamedTuple):
    """What an index is made of.

    Args:
        run: the digest of the run that made it.
        inputs: that the vectors were made from.
        rows: their numbers (`row`) and cells.
        vectors: (N, size) float32.
        graph: as `Graph.save` gives it.
    """

    run: str
    inputs: tuple[str, ...]
    rows: pd.DataFrame
    vectors: np.ndarray
    graph: bytes | None


def write_folder(folder: Path, stored: Stored) -> None:
    """Write the files, index.json last.

    Raises:
        ConfigError: the folder already holds an index.
    """
    if (folder / HEAD).exists():
        raise ConfigError(f"{folder} already holds an index. Take another --out, or delete it.")
    write_atomically(folder / VECTORS, save({"vectors": stored.vectors}))
    write_table(stored.rows, folder / ROWS)
    if stored.graph is not None:
        write_atomically(folder / GRAPH, stored.graph)
    names = [VECTORS, ROWS, *([] if stored.graph is None else [GRAPH])]
    files = {name: content_digest(folder / name).hex() for name in names}
    head = {"format": FORMAT, "run": stored.run, "inputs": stored.inputs, "files": files}
    write_json(folder / HEAD, head)


def read_folder(folder: Path) -> Stored:
    """What was written, once every file is sure to be the one that was.

    Raises:
        DataError: no index, one of another format, damaged or changed since it was saved.
    """
    head = _head(folder)
    if head.get("format") != FORMAT:
        raise DataError(f"{folder} has the format {head.get('format')!r}; this sensorium reads format {FORMAT}.")
    files, inputs = head.get("files"), head.get("inputs")
    if (
        not isinstance(files, dict)
        or not {VECTORS, ROWS} <= set(files) <= {VECTORS, ROWS, GRAPH}
        or not isinstance(inputs, list)
        or not all(isinstance(name, str) for name in inputs)
    ):
        raise _damaged(folder / HEAD)
    contents = {name: _content(folder, name, digest) for name, digest in files.items()}
    try:
        vectors = load(contents[VECTORS])["vectors"]
        rows = pq.read_table(pa.BufferReader(contents[ROWS])).to_pandas()
    except (SafetensorError, KeyError, pa.ArrowException) as error:
        raise _damaged(folder) from error
    if (
        vectors.ndim != 2
        or vectors.dtype != np.float32
        or len(vectors) != len(rows)
        or not np.isfinite(vectors).all()
        or "row" not in rows
        or rows["row"].dtype.kind != "i"
    ):
        raise _damaged(folder)
    return Stored(str(head.get("run")), tuple(inputs), rows, vectors, contents.get(GRAPH))


def _head(folder: Path) -> dict:
    try:
        head = json.loads((folder / HEAD).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} is no index: it has no {HEAD}. Make one with `sensorium index RUN TABLE --out {folder}`."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(folder / HEAD) from error
    if not isinstance(head, dict):
        raise _damaged(folder / HEAD)
    return head


def _content(folder: Path, name: str, digest: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise DataError(f"{folder} is not whole: {name} is missing.") from error
    if content_digest(content).hex() != digest:
        raise DataError(f"{folder / name} is not the file that was saved (its checksum differs); it is not loaded.")
    return content


def _damaged(path: Path) -> DataError:
    return DataError(f"{path} is damaged and can't be read. Make the index again.")
