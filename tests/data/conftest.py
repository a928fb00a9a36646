from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sensorium.data.batches import Rows
from sensorium.data.problems import Problems
from sensorium.data.table import read_table


@pytest.fixture
def read() -> Callable[..., tuple[np.ndarray, np.ndarray, list[tuple[int, str, str]]]]:
    """Cells, of one column or a tuple a row, as one batch of a reader: values, mask, and the problems noted."""

    def read(reader: Any, cells: list[Any], root: Any = ".") -> tuple[np.ndarray, np.ndarray, list]:
        rows = cells if len(reader.columns) > 1 else [(cell,) for cell in cells]
        table = read_table(dict(zip(reader.columns, map(list, zip(*rows, strict=True)), strict=True)), media_root=root)
        problems = Problems()
        (batch,) = Rows(table, {"x": reader}, problems=problems).batches(len(cells))
        values, mask, _ = batch.inputs["x"]
        notes = problems.frame()[["row", "kind", "reason"]].to_numpy()
        return values.numpy(), mask.numpy(), [tuple(note) for note in notes]

    return read
