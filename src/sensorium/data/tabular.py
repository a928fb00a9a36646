"""Numbers, categories, booleans, dates and vectors to arrays."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.data.cells import is_missing
from sensorium.data.targets import label, number
from sensorium.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TabularReader", "VectorReader", "date_parts", "moments", "vector"]

MOST_CATEGORIES = 2000  # rarer ones share the entry for unknown
YES = {"1", "true", "yes", "y", "t", "是", "对", "有"}
NO = {"0", "false", "no", "n", "f", "否", "错", "无"}


ORDER = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})(.*)", re.DOTALL)  # of day and month, before a year


def date_parts(cell: Any, day_first: bool = False) -> list[float] | None:
    """A date as [years since 2000, sin and cos of the month, the weekday and the hour], or None.

    Args:
        cell: text, a date, or a whole number such as 20240305.
        day_first: whether 3/4/2024 is in April. With dots it always is: 3.4.2024.
    """
    moment = _moment(cell, day_first)
    if moment is None:
        return None
    turns = ((moment.day_of_year - 1) / 365.25, moment.day_of_week / 7, (moment.hour + moment.minute / 60) / 24)
    waves = [wave(2 * math.pi * turn) for turn in turns for wave in (math.sin, math.cos)]
    return [moment.year - 2000 + turns[0], *waves]


def _moment(cell: Any, day_first: bool) -> "pd.Timestamp | None":
    import pandas as pd  # here: it is for dates alone

    if isinstance(cell, str | int | float | np.number):
        cell = re.sub("[年月]", "-", label(cell)).replace("日", "").strip("- ")
        if found := ORDER.fullmatch(cell):
            first, mark, second, year, rest = found.groups()
            day, month = (first, second) if day_first or mark == "." else (second, first)
            day, month = (month, day) if int(month) > 12 else (day, month)
            cell = f"{year}-{month}-{day}{rest}"
        elif not re.search(r"\d{4}|\d[-/]\d+[-/]\d", cell):  # pandas would take '12:30' and 'now' for today
            return None
    moment = pd.to_datetime(cell, errors="coerce")
    return moment if isinstance(moment, pd.Timestamp) else None


def moments(cells: Sequence[Any]) -> list[float | None]:
    """Dates as seconds since 1970, None where a cell is none; one cell such as 25/3/2024 says how all are written."""
    orders = (ORDER.fullmatch(label(cell)) for cell in cells)
    day_first = any(order and int(order[1]) > 12 for order in orders)
    known: dict[Any, float | None] = {}
    for cell in cells:
        if cell not in known:
            moment = _moment(cell, day_first)
            known[cell] = None if moment is None else moment.timestamp()
    return [known[cell] for cell in cells]


def truth(cell: Any) -> str | None:
    """'true' or 'false' for a cell that says so in one of its usual words, else None."""
    word = label(cell).lower()
    return "true" if word in YES else "false" if word in NO else None


class TabularReader:
    """Value columns, read together: numeric features first, then a code for each categorical one.

    Args:
        columns: name -> numeric, categorical, boolean or date, in order.
    """

    modality = "tabular"

    def __init__(self, columns: dict[str, str]):
        self.kinds = dict(columns)
        self.columns = tuple(columns)
        self.mean, self.scale = np.zeros(0), np.ones(0)
        self.categories: dict[str, list[str]] = {}
        self.day_first: list[str] = []

    @cached_property
    def _codes(self) -> dict[str, dict[str, float]]:
        """Each category's code, from 1; 0 is for the unknown."""
        return {name: {value: i + 1.0 for i, value in enumerate(known)} for name, known in self.categories.items()}

    @property
    def numeric(self) -> int:
        """How many numeric features there are: one a number, seven a date."""
        return len(self.mean)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many categories each categorical feature knows."""
        return tuple(len(self.categories[name]) for name in self.columns if name in self.categories)

    def fit(self, rows: Sequence[Sequence[Any]]) -> None:
        self.day_first = []
        for place, (name, kind) in enumerate(self.kinds.items()):
            if kind in {"categorical", "boolean"}:
                seen = Counter(self._category(row[place], kind) for row in rows)
                seen.pop(None, None)
                self.categories[name] = sorted(value for value, _ in seen.most_common(MOST_CATEGORIES))
            elif kind == "date":  # one cell such as 25/3/2024 says how the whole column is written
                orders = (ORDER.fullmatch(label(row[place])) for row in rows)
                if any(order and int(order[1]) > 12 for order in orders):
                    self.day_first.append(name)
        raw = np.array([self._numbers(row) for row in rows], dtype=np.float64)  # (N, numeric)
        with np.errstate(all="ignore"):
            known = np.isfinite(raw)
            count = np.maximum(known.sum(0), 1)
            filled = np.where(known, raw, 0.0)
            self.mean = filled.sum(0) / count
            self.scale = np.sqrt((np.where(known, raw - self.mean, 0.0) ** 2).sum(0) / count)
        self.scale[self.scale < 1e-12] = 1.0

    def read(self, cells: Sequence[Any], note: Callable[[str, str], None]) -> np.ndarray | None:
        """Features (numeric + categorical,) with NaN where a cell is empty; None where all are."""
        numbers = (np.array(self._numbers(cells), dtype=np.float64) - self.mean) / self.scale
        codes = []
        for name, cell in zip(self.columns, cells, strict=True):
            if name in self.categories:
                value = self._category(cell, self.kinds[name])
                codes.append(math.nan if value is None else self._codes[name].get(value, 0.0))
        features = np.concatenate([numbers, codes]).astype(np.float32)
        return None if np.isnan(features).all() else features

    def collate(self, items: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        empty = np.full(self.numeric + len(self.categories), np.nan, dtype=np.float32)
        values = np.stack([empty if item is None else item for item in items])
        mask = ~np.isnan(values)
        return np.nan_to_num(values), mask

    def state(self) -> dict[str, Any]:
        return {
            "kinds": self.kinds,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "categories": self.categories,
            "day_first": self.day_first,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "TabularReader":
        reader = cls(state["kinds"])
        reader.mean, reader.scale = np.array(state["mean"]), np.array(state["scale"])
        reader.categories, reader.day_first = state["categories"], state["day_first"]
        return reader

    def _numbers(self, cells: Sequence[Any]) -> list[float]:
        features: list[float] = []
        for (name, kind), cell in zip(self.kinds.items(), cells, strict=True):
            if kind == "numeric":
                value = None if is_missing(cell) else number(cell)
                features.append(math.nan if value is None else value)
            elif kind == "date":
                parts = None if is_missing(cell) else date_parts(cell, name in self.day_first)
                features.extend([math.nan] * 7 if parts is None else parts)
        return features

    @staticmethod
    def _category(cell: Any, kind: str) -> str | None:
        if is_missing(cell):
            return None
        return truth(cell) or label(cell) if kind == "boolean" else label(cell)


def vector(cell: Any) -> np.ndarray | None:
    """The numbers in a cell: an array, a list, or text such as '[0.1, 0.2]' or '0.1 0.2'; None where there are none."""
    if isinstance(cell, str):
        cell = cell.strip().strip("[]()").replace(",", " ").replace(";", " ").split()
    try:
        values = np.asarray(cell, dtype=np.float32).reshape(-1)
    except (TypeError, ValueError, OverflowError):  # OverflowError: a whole number of hundreds of digits
        return None
    return values if len(values) and np.isfinite(values).all() else None


class VectorReader:
    """A column of vectors of one size, standardised."""

    modality = "vector"

    def __init__(self, column: str, size: int | None = None):
        self.columns, self.size = (column,), size
        self.mean, self.scale = np.zeros(0), np.ones(0)

    def fit(self, rows: Sequence[Sequence[Any]]) -> None:
        found = [value for (cell,) in rows if not is_missing(cell) and (value := vector(cell)) is not None]
        if not found:
            raise DataError(f"column '{self.columns[0]}' holds a vector in none of {len(rows)} rows.")
        self.size = Counter(map(len, found)).most_common(1)[0][0]
        rows_of_size = np.stack([value for value in found if len(value) == self.size]).astype(np.float64)
        self.mean, self.scale = rows_of_size.mean(0), rows_of_size.std(0)
        self.scale[self.scale < 1e-12] = 1.0

    def read(self, cells: Sequence[Any], note: Callable[[str, str], None]) -> np.ndarray | None:
        """Standardised numbers (size,); None where there are none, or another count of them than in training."""
        (cell,) = cells
        if is_missing(cell):
            return None
        value = vector(cell)
        if value is None or len(value) != self.size:
            got = f"{cell!r:.60}" if value is None else len(value)
            note("broken", f"must be a vector of {self.size} numbers; got {got}")
            return None
        return ((value - self.mean) / self.scale).astype(np.float32)

    def collate(self, items: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        empty = np.zeros(self.size, dtype=np.float32)
        values = np.stack([empty if item is None else item for item in items])
        return values, np.array([item is not None for item in items])

    def state(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "size": self.size,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "VectorReader":
        reader = cls(state["column"], state["size"])
        reader.mean, reader.scale = np.array(state["mean"]), np.array(state["scale"])
        return reader
