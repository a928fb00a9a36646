"""Sets of the library `datasets` as Arrow tables, without the library."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["from_dataset", "is_dataset", "named"]


def is_dataset(source: Any) -> bool:
    """Whether `source` is a `datasets.Dataset`: rows, features, and formats to give them in."""
    return all(hasattr(source, name) for name in ("features", "with_format", "__getitem__", "__len__"))


def from_dataset(source: Any) -> pa.Table:
    """Its rows; media stay the dicts of bytes and path that they are stored as, classes get their names."""
    names = {column: getattr(feature, "names", None) for column, feature in source.features.items()}
    return named(source.with_format("arrow")[:], {column: of for column, of in names.items() if of})


def named(table: pa.Table, names: Mapping[str, Sequence[str]]) -> pa.Table:
    """Columns of class numbers as the classes' names; -1, which stands for "not told", as missing.

    Args:
        table: with columns of whole numbers.
        names: of each such column's classes, in order.
    """
    for column, of in names.items():
        numbers = table[column].combine_chunks()
        numbers = pc.if_else(pc.greater_equal(numbers, 0), numbers, None)
        table = table.set_column(
            table.schema.get_field_index(column), column, pc.take(pa.array(of, pa.string()), numbers)
        )
    return table
