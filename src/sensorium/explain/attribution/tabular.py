"""Columns of numbers and categories."""

import numpy as np
import torch
from torch import Tensor

from sensorium.data.batches import Rows
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.pieces import Pieces, shapley
from sensorium.explain.part import Part

__all__ = ["explain_tabular", "filled_cells"]

OF_DATE = 7  # features


def explain_tabular(answer: Answer, rows: Rows, place: int, method: str) -> Part:
    """What each filled cell adds to the whole answer, against an empty one."""
    reader = rows.readers[answer.modality]
    names = list(reader.columns)
    pieces, filled = filled_cells(answer, rows)
    found, expected = shapley(answer, pieces)
    values = np.zeros(len(names))
    values[filled] = found.numpy()
    there = set(rows.table.columns)
    cells = [str(rows.table.cells(name)[place]) if name in there else None for name in names]
    shown = {"cells": [cell if at in filled else None for at, cell in enumerate(cells)]}
    return Part(answer.modality, "tabular", "shapley", values, names, expected, 0.0, shown)


def filled_cells(answer: Answer, rows: Rows) -> tuple[Pieces, list[int]]:
    """The cells of a row that hold something, and the places of their columns; one that is taken away is empty."""
    reader = rows.readers[answer.modality]
    sizes = {"numeric": 1, "date": OF_DATE}
    owner = [at for at, name in enumerate(reader.columns) for _ in range(sizes.get(reader.kinds[name], 0))]
    owner += [at for at, name in enumerate(reader.columns) if name in reader.categories]  # as `TabularReader.read`
    filled = sorted({at for at, real in zip(owner, answer.mask[0].tolist(), strict=True) if real})
    of = torch.tensor([filled.index(at) if at in filled else 0 for at in owner])

    def take(left: Tensor) -> tuple[Tensor, Tensor]:
        return answer.values.expand(len(left), -1), answer.mask & left[:, of]

    return Pieces(len(filled), of, take), filled
