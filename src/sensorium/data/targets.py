"""Target columns: what is to be learned, as numbers for the loss and back."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.data.cells import is_missing, says_nothing, split_bag
from sensorium.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from sensorium.data.table import Table

__all__ = ["CLASSED", "TargetCoder", "fit_target", "guess_task", "is_filled", "number", "shifted"]

CLASSED = ("binary", "classification")  # tasks with one class a row

MOST_CLASSES = 1000
LOOKED_AT = 50_000  # cells of a column that its task is guessed from
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{2,3})*,\d{3}(\.\d*)?")  # two digits: India's 1,00,000


def number(cell: Any) -> float | None:
    """The number in a cell, or None where it holds none (`NA`, `unknown`, infinities).

    Commas between thousands are left out; any other single comma is a decimal one: 1,234.5 and 12,5.
    """
    if isinstance(cell, str):
        cell = cell.strip()
        if "_" in cell:  # Python's float takes 2024_01 for a number
            return None
        if "," in cell:
            cell = cell.replace(",", "") if THOUSANDS.fullmatch(cell) else cell.replace(",", ".")
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):  # OverflowError: a whole number of hundreds of digits
        return None
    return value if np.isfinite(value) else None


def label(cell: Any) -> str:
    """The class a cell names: text without outer spaces, and 3 for 3.0, so that a CSV and a DataFrame agree."""
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell).strip()


def guess_task(cells: Sequence[Any]) -> str:
    """`multilabel` where cells hold lists, `regression` where they are numbers of many values, else `classification`."""
    step = -(-len(cells) // LOOKED_AT)
    filled = [cell for cell in (cells[row] for row in range(0, len(cells), step or 1)) if not is_missing(cell)]
    if any(isinstance(cell, list | tuple | np.ndarray) for cell in filled):
        return "multilabel"
    numbers = [number(cell) for cell in filled if not says_nothing(cell)]
    values = {value for value in numbers if value is not None}
    if filled and len(values) > 20 and None not in numbers:
        whole = all(value.is_integer() for value in values)
        if not whole or len(values) > max(50, 0.05 * len(filled)):
            return "regression"
    return "classification"


def is_filled(cell: Any, task: str) -> bool:
    """Whether a target cell can be learned from. An empty list of labels says 'none of them', an empty cell nothing."""
    if task == "regression":
        return not is_missing(cell) and number(cell) is not None
    if task == "multilabel" and isinstance(cell, list | tuple | np.ndarray):
        return True
    return not is_missing(cell)


@dataclass
class TargetCoder:
    """One target column, fitted on the training rows.

    Args:
        name: the column.
        task: binary, classification, multilabel, regression or generation (see `sensorium.data.text_target`).
        classes: names of the classes or labels, sorted; empty for regression.
        counts: training rows of each class or label.
        mean, scale: of the training rows' numbers, for regression.
        offsets: one a class, on the log-probabilities that an answer is taken from; none where the likeliest class is
            the answer. Probabilities stay as they are.
    """

    name: str
    task: str
    classes: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    mean: float = 0.0
    scale: float = 1.0
    offsets: list[float] = field(default_factory=list)

    def read(self, table: "Table") -> tuple[np.ndarray, np.ndarray]:
        """What `encode` gives for a table's rows."""
        return self.encode(table.cells(self.name))

    def truth(self, cells: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """What answers are scored against, and a mask (N,)."""
        return self.encode(cells)

    def encode(self, cells: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Cells to numbers: values ((N,) or (N, labels)) and a mask (N,), True where the cell says something known."""
        place = {name: i for i, name in enumerate(self.classes)}
        mask = np.zeros(len(cells), dtype=bool)
        if self.task == "multilabel":
            values = np.zeros((len(cells), len(self.classes)), dtype=np.float32)
        else:
            values = np.zeros(len(cells), dtype=np.int64 if self.task == "classification" else np.float32)
        for i, cell in enumerate(cells):
            if not is_filled(cell, "regression" if self.task == "regression" else self.task):
                continue
            if self.task == "regression":
                values[i], mask[i] = (number(cell) - self.mean) / self.scale, True
            elif self.task == "multilabel":
                values[i, [place[name] for name in labels(cell) if name in place]] = 1
                mask[i] = True
            elif self.task == "generation":  # which rows have a text is all that can be said without a language model
                mask[i] = True
            elif (name := label(cell)) in place:
                values[i], mask[i] = place[name], True
        return values, mask

    def unknown(self, cells: Sequence[Any]) -> list[str]:
        """Classes in `cells` that training never saw, sorted."""
        if not self.classes:
            return []
        names = {
            n
            for c in cells
            if is_filled(c, self.task)
            for n in (labels(c) if self.task == "multilabel" else [label(c)])
        }
        return sorted(names - set(self.classes))

    @property
    def outputs(self) -> int:
        """Logits of a row: one a class or label; of two classes, and of numbers, one.

        0 for texts, which have no fixed number: linear models, calibration and balance have no part in them.
        """
        if self.task == "generation":
            return 0
        return len(self.classes) if self.task in {"classification", "multilabel"} else 1

    def class_weights(self) -> list[float] | None:
        """Weights by the square root of the inverse frequency, mean 1 over rows; None where classes are even.

        The root is a compromise: full inverse frequency lets a handful of rows of a tiny class lead the training.
        """
        if self.task not in CLASSED or max(self.counts) <= 1.5 * min(self.counts):
            return None
        counts = np.asarray(self.counts, dtype=float)
        weights = counts**-0.5
        return [float(w) for w in weights * counts.sum() / (weights * counts).sum()]

    def decode(self, output: np.ndarray) -> "pd.Series":
        """The answers for a head's output: probabilities (N, classes), or standardised numbers (N,)."""
        import pandas as pd  # here: the answers of an exported graph are decoded without it

        if self.task == "regression":
            return pd.Series(self.decode_numbers(output), name=self.name)
        return pd.Series(self.named(output), name=self.name, dtype=object)

    def named(self, output: np.ndarray) -> np.ndarray:
        """The class of each row, or its labels with | between them, for probabilities (N, classes): (N,) of object."""
        classes = np.asarray(self.classes, dtype=object)
        if self.task == "multilabel":
            return np.array(["|".join(classes[row > 0.5]) for row in output], dtype=object)
        return classes[(shifted(output, self.offsets) if self.offsets else output).argmax(1)]

    def decode_numbers(self, output: np.ndarray) -> np.ndarray:
        return output.astype(np.float64) * self.scale + self.mean

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


def shifted(probabilities: np.ndarray, offsets: Any) -> np.ndarray:
    """log p + offset: (N, K). An answer is its largest.

    Example:
        >>> shifted(np.array([[0.8, 0.2]]), [0.0, 2.0]).argmax(1)
        array([1])
    """
    return np.log(np.maximum(probabilities, 1e-12, dtype=np.float64)) + np.asarray(offsets)


def labels(cell: Any) -> list[str]:
    """The labels in a cell: a list, or text with `|` (else `,` or `;`) between them."""
    if isinstance(cell, str):
        mark = next((m for m in "|;," if m in cell), "|")
        return [part.strip() for part in cell.split(mark) if part.strip()]
    return [label(part) for part in split_bag(cell)]


def fit_target(name: str, cells: Sequence[Any], task: str) -> TargetCoder:
    """Learn a target's classes or scale from the training cells.

    Raises:
        DataError: one class only, a class of one row, numbers where there are none, a constant number.
    """
    filled = (cell for cell in cells if is_filled(cell, task))
    if task == "regression":
        numbers = np.fromiter(map(number, filled), dtype=np.float64)
        rows = len(numbers)
    else:
        rows, counts = 0, Counter()
        for cell in filled:
            rows += 1
            counts.update(set(labels(cell)) if task == "multilabel" else [label(cell)])
    if not rows:
        kind = "a number" if task == "regression" else "a value"
        raise DataError(f"target '{name}' has {kind} in none of {len(cells)} rows. Check the column's name and task.")
    if task == "regression":
        if numbers.std() == 0:
            raise DataError(
                f"target '{name}' is {numbers[0]:g} in every row; there is nothing to learn. Give rows that differ."
            )
        return TargetCoder(name, "regression", mean=float(numbers.mean()), scale=float(numbers.std()))
    if task == "multilabel":
        if not counts:
            raise DataError(f"target '{name}' has no label in any row; there is nothing to learn.")
        classes = sorted(counts)
        return TargetCoder(name, "multilabel", classes, [counts[c] for c in classes])
    if task == "generation":
        return TargetCoder(name, task)
    classes = sorted(counts)
    if len(classes) == 1:
        raise DataError(
            f"target '{name}' has one class only ('{classes[0]}', {rows} rows); give rows of another class."
        )
    if len(classes) > min(MOST_CLASSES, rows // 2):
        raise DataError(
            f"target '{name}' has {len(classes)} classes in {rows} rows. If it is a number, set "
            f"targets.{name}.task=regression, if a text to be written, {name}: {{task: generation, model: ...}} in the "
            "targets; else group its rare classes."
        )
    if rare := [c for c in classes if counts[c] < 2]:
        raise DataError(
            f"target '{name}': fewer than 2 rows of {len(rare)} classes ({', '.join(rare[:5])}); "
            "a class needs one row to learn from and one to check with. Add rows, or merge or leave out those classes."
        )
    return TargetCoder(name, "binary" if len(classes) == 2 else "classification", classes, [counts[c] for c in classes])
