"""What could not be used, row by row: nothing is dropped without a line here."""

from dataclasses import dataclass, field
from threading import Lock

import pandas as pd

from sensorium.errors import DataError

__all__ = ["Problem", "Problems"]


@dataclass(frozen=True, order=True)
class Problem:
    """One cell that could not be used. `row` is counted from 1, as `Table.number`."""

    table: str
    row: int
    column: str
    reason: str


@dataclass
class Problems:
    """The problems of a run, each once; with `strict` the first is an error."""

    strict: bool = False
    found: set[Problem] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, table: str, row: int, column: str, reason: str, consequence: str, fatal: bool = True) -> None:
        """Note a problem.

        Raises:
            DataError: `strict`, and this kind of problem is `fatal` under it.
        """
        if self.strict and fatal:
            raise DataError(
                f"{table} row {row}, column '{column}': {reason}. Mend it, or leave out --strict: {consequence}"
            )
        with self._lock:
            self.found.add(Problem(table, row, column, reason))

    def frame(self) -> pd.DataFrame:
        """All of them, by table, row and column."""
        rows = [vars(problem) for problem in sorted(self.found)]
        return pd.DataFrame(rows, columns=["table", "row", "column", "reason"])

    def by_column(self) -> dict[str, int]:
        counts = self.frame()["column"].value_counts()
        return {str(name): int(count) for name, count in counts.items()}
