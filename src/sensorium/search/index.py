"""Rows that can be searched for those most like another one."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sensorium.data.cells import is_missing
from sensorium.data.table import Table, read_table
from sensorium.errors import ConfigError, DataError
from sensorium.search.digest import run_digest
from sensorium.search.embedding import readable
from sensorium.search.folder import Stored, read_folder, write_folder
from sensorium.search.graph import Graph
from sensorium.search.query import query_vector

if TYPE_CHECKING:
    from sensorium.data.batches import Reader
    from sensorium.predictor import Predictor

__all__ = ["Index"]

Say = Callable[[str], None]
MANY = 20_000  # rows; of more, a graph finds near ones without comparing all: as many take half a millisecond
SPARE = 4  # times as many are asked of the graph as are wanted, and compared exactly


class Index:
    """Vectors of a table's rows, and the cells to show what is found. Made by `build` and `load`.

    Args:
        predictor: that made the vectors, and makes those of queries.
        inputs: that the vectors were made from.
        rows: the column `row` (a row's number in its table, from 1), then the inputs' cells as text.
        vectors: (N, size), of unit length.
        graph: of the vectors; None: every row is compared.
    """

    def __init__(
        self,
        predictor: "Predictor",
        inputs: Sequence[str],
        rows: pd.DataFrame,
        vectors: np.ndarray,
        graph: Graph | None = None,
    ):
        self.predictor, self.inputs, self.rows = predictor, tuple(inputs), rows
        self.vectors, self.graph = vectors, graph

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def build(
        cls,
        predictor: "Predictor",
        rows: Any,
        inputs: Sequence[str] | None = None,
        exact: bool | None = None,
        media_root: str | os.PathLike[str] | None = None,
        say: Say = lambda _: None,
    ) -> "Index":
        """The index of a table. Rows that hold nothing of the inputs are left out.

        Args:
            predictor: of a run of `pretrain`; with a usual one, rows can only be searched by the same inputs.
            rows: anything `read_table` takes.
            inputs: the vectors are made from these; from all where left out.
            exact: compare every row in each search; where left out, of at most 20,000 rows. More need usearch.
            media_root: where relative paths start.
            say: called with warnings.

        Raises:
            ConfigError: an unknown input; usearch is missing.
            DataError: no row holds anything of the inputs.
        """
        table = read_table(rows, media_root)
        inputs = readable(predictor.model, inputs)
        vectors = predictor.embed(table, inputs, say=say)
        kept = np.flatnonzero(vectors.any(1))
        if not len(kept):
            raise DataError(f"{table.name} has no row that holds anything of {', '.join(inputs)}.")
        vectors = np.ascontiguousarray(vectors[kept])
        if exact is None:
            exact = len(kept) <= MANY
        shown = _shown(table.take(kept), [predictor.readers[name] for name in inputs])
        return cls(predictor, inputs, shown, vectors, None if exact else Graph.build(vectors))

    def search(self, query: Any, top: int = 10, say: Say = lambda _: None) -> pd.DataFrame:
        """The rows most like a query, the nearest first.

        Args:
            query: a dict of some inputs and what a cell of them would hold, such as {"photo": "q.jpg"}; the number of a
                row, which is not among what is found; or a vector.
            top: rows, at most.
            say: called with warnings.

        Returns:
            the columns row, similarity (the cosine, -1 to 1), and the cells.

        Raises:
            ConfigError: an unknown input, or another kind of query.
            DataError: a query that is empty or can't be read; a row that isn't in the index.
        """
        if top < 1:
            raise ConfigError(f"top must be 1 row or more; got {top}.")
        without = None
        if isinstance(query, Mapping):
            self._comparable(query, say)
            vector = query_vector(self.predictor, query, say)
        elif isinstance(query, int | np.integer) and not isinstance(query, bool):
            without = self._place(int(query))
            vector = self.vectors[without]
        else:
            vector = self._vector(query)
        places, near = self._nearest(vector, top, without)
        found = self.rows.iloc[places].reset_index(drop=True)
        found.insert(1, "similarity", near)
        return found

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the index, index.json last: a folder without it is none.

        Raises:
            ConfigError: the folder already holds an index.
        """
        graph = None if self.graph is None else self.graph.save()
        write_folder(Path(folder), Stored(run_digest(self.predictor), self.inputs, self.rows, self.vectors, graph))

    @classmethod
    def load(cls, folder: str | os.PathLike[str], predictor: "Predictor", say: Say = lambda _: None) -> "Index":
        """The index of a folder, for the run that made it. Nothing in it is run.

        Raises:
            DataError: no index, damaged or changed since it was saved, or another run's.
            ConfigError: usearch is missing.
        """
        folder = Path(folder)
        stored = read_folder(folder)
        if stored.run != run_digest(predictor):
            raise DataError(
                f"{folder} was made by another run: its vectors can't be compared with those of this one. "
                "Make an index with this run, or name the other."
            )
        graph = None
        if stored.graph is not None:
            graph = Graph.restore(stored.graph, *stored.vectors.shape)
            if graph is None:
                say(f"the graph of {folder} is not one that this version of usearch writes; it is made anew.")
                graph = Graph.build(stored.vectors)
        return cls(predictor, readable(predictor.model, stored.inputs), stored.rows, stored.vectors, graph)

    def _nearest(self, vector: np.ndarray, top: int, without: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Places and cosines of the nearest rows, the nearest first; of rows as near, the first in the table."""
        if self.graph is None:
            places = np.arange(len(self))
        else:
            places = np.sort(self.graph.search(vector, min(len(self), SPARE * (top + 1))))
        places = places[places != without] if without is not None else places
        near = (self.vectors if len(places) == len(self) else self.vectors[places]) @ vector.astype(np.float32)
        top = min(top, len(near))
        if top == 0:
            return places, near
        enough = near >= np.partition(near, -top)[-top]
        places, near = places[enough], near[enough]
        order = np.argsort(-near, kind="stable")[:top]
        return places[order], near[order].clip(-1, 1)

    def _comparable(self, query: Mapping[str, Any], say: Say) -> None:
        """Of a usual run, only vectors of the same inputs are alike for sure."""
        names = readable(self.predictor.model, tuple(query))
        if self.predictor.model.aligner is not None or set(names) == set(self.inputs):
            return
        asked, there = ", ".join(names), ", ".join(self.inputs)
        if not set(names) <= set(self.inputs):
            raise ConfigError(
                f"the index holds vectors of {there}; a query by {asked} can't be compared with them, since this run was "
                "not trained to align its inputs. `sensorium pretrain` trains for it."
            )
        say(
            f"warning: this run was not trained to align its inputs; what is found by {asked} alone among rows of "
            f"{there} may be far off. `sensorium pretrain` trains for it."
        )

    def _place(self, number: int) -> int:
        places = np.flatnonzero(self.rows["row"].to_numpy() == number)
        if not len(places):
            raise DataError(
                f"the index has no row {number}: it holds {len(self)} rows from {self.rows['row'].min()} to "
                f"{self.rows['row'].max()}, without those that hold nothing of {', '.join(self.inputs)}."
            )
        return int(places[0])

    def _vector(self, query: Any) -> np.ndarray:
        vector = np.asarray(query) if isinstance(query, np.ndarray | list | tuple) else np.array(None)
        size = self.vectors.shape[1]
        if vector.shape != (size,) or vector.dtype.kind not in "fiu" or not np.isfinite(vector).all():
            raise ConfigError(
                f"a query must be a dict of inputs, a row's number or a vector of {size} numbers; got {query!r:.60}."
            )
        return (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)


def _shown(table: Table, readers: "Sequence[Reader]") -> pd.DataFrame:
    """Rows' numbers, and the cells that these read as text."""
    told = {c: reader.text if getattr(reader, "redact", False) else _text for reader in readers for c in reader.columns}
    found: dict[str, Any] = {"row": [table.number(row) for row in range(len(table))]}
    for column, text in told.items():
        if column in table.columns:
            name = column
            while name in {"row", "similarity"} or (name != column and name in table.columns):
                name += "_"
            found[name] = ["" if is_missing(cell) else text(cell) for cell in table.cells(column)]
    return pd.DataFrame(found)


def _text(cell: Any) -> str:
    """A cell for people to read: a path and a text as they are, of what lies in memory its kind."""
    if is_missing(cell):
        return ""
    if isinstance(cell, dict) and isinstance(cell.get("path"), str):  # as Hugging Face's Parquet files hold media
        return cell["path"]
    if isinstance(cell, str | os.PathLike | int | float | np.generic | date):
        return str(cell)
    if isinstance(cell, list | tuple) and all(isinstance(one, str | int | float) for one in cell):
        return json.dumps(cell, ensure_ascii=False)
    return f"<{type(cell).__name__}>"
