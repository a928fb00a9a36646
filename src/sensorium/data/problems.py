"""What could not be used, row by row: nothing is dropped without a line here."""

from dataclasses import dataclass, field
from threading import Lock

import pandas as pd

from sensorium.errors import DataError

__all__ = ["Problem", "Problems"]


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

    def lines(self) -> list[str]:
        """A line for people for each column and kind of problem: how many, and the first."""
        lines = []
        for (column, kind), group in self.frame().groupby(["column", "kind"]):
            first = group.iloc[0]
            count = len(group[["table", "row"]].drop_duplicates())  # two inputs may read the same file
            rows = f"{count} row{'s' * (count > 1)}"
            lines.append(f"column '{column}': {rows} {WORDS[kind]}, the first in row {first.row}: {first.reason}.")
        return lines
