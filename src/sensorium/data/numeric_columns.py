"""Whether a table's numeric columns hold numbers."""

from sensorium.data.batches import Rows
from sensorium.data.cells import is_missing
from sensorium.data.targets import number
from sensorium.errors import DataError

__all__ = ["check_numbers"]


def check_numbers(rows: Rows) -> None:
    """Refuse a numeric column that holds words: that is another table, not missing values."""
    for name, reader in rows.readers.items():
        for place, column in enumerate(reader.columns):
            if getattr(reader, "kinds", {}).get(column) != "numeric":
                continue
            cells = rows.columns[name].cells[place]
            if cells is None:
                continue
            filled = [cell for cell in (cells[row] for row in range(min(len(cells), 1000))) if not is_missing(cell)]
            if filled and all(number(cell) is None for cell in filled) and any(len(str(c)) > 3 for c in filled):
                got = str(filled[0])[:40]
                raise DataError(f"{rows.table.name}, column '{column}': must be numbers, as in training; got {got!r}.")
