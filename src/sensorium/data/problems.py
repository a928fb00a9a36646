"""What could not be used, row by row: nothing is dropped without a line here."""

from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

import pandas as pd

from sensorium.errors import DataError

__all__ = ["Count", "Problem", "Problems"]


@dataclass(frozen=True, order=True)
class Problem:
    """One cell that could not be used as it is. `row` is counted from 1, as `Table.number`.

    kind: broken (the input is missing from the row), cut (its end is left out), fallback (read in another, worse way),
    no target (the row is left out).
    """

    table: str
    row: int
    column: str
    kind: str
    reason: str


WORDS = {
    "broken": "without it, as missing",
    "cut": "cut short",
    "fallback": "with motion estimated from frames",
    "no target": "left out",
}


@dataclass
class Problems:
    """The problems of a run, each once; with `strict` the first is an error."""

    strict: bool = False
    found: set[Problem] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, table: str, row: int, column: str, kind: str, reason: str) -> None:
        """Note a problem.

        Raises:
            DataError: `strict`, and it is a broken input.
        """
        if self.strict and kind == "broken":
            raise DataError(
                f"{table} row {row}, column '{column}': {reason}. Mend it, or leave out strict: "
                "the row is then used without it."
            )
        with self._lock:
            self.found.add(Problem(table, row, column, kind, reason))

    def frame(self) -> pd.DataFrame:
        """All of them, by table, row and column."""
        rows = [vars(problem) for problem in sorted(self.found)]
        return pd.DataFrame(rows, columns=["table", "row", "column", "kind", "reason"])

    def counts(self) -> list["Count"]:
        """How many there are of each column and kind, and the first."""
        found = []
        for (column, kind), group in self.frame().groupby(["column", "kind"]):
            first = group.iloc[0]
            count = len(group[["table", "row"]].drop_duplicates())  # two inputs may read the same file
            found.append(Count(column, kind, count, int(first.row), first.reason))
        return found

    def lines(self) -> list[str]:
        """A line for people for each of `counts`."""
        return [str(count) for count in self.counts()]


class Count(NamedTuple):
    """Problems of one column and kind: in how many rows, and the first of them."""

    column: str
    kind: str
    rows: int
    row: int
    reason: str

    def __str__(self) -> str:
        rows = f"{self.rows} row{'s' * (self.rows > 1)}"
        return f"column '{self.column}': {rows} {WORDS[self.kind]}, the first in row {self.row}: {self.reason}."
