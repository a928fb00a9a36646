"""Several batches to one, and a part of one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sensorium.data.batches import Batch
from sensorium.encoders.features import Features, Input

__all__ = ["appended", "rows_of"]


def rows_of(batch: Batch, rows: slice) -> Batch:
    """A batch's rows in a slice."""
    inputs = {
        name: Input(values[rows], mask[rows], None if known is None else Features(*(part[rows] for part in known)))
        for name, (values, mask, known) in batch.inputs.items()
    }
    targets = {name: (values[rows], mask[rows]) for name, (values, mask) in batch.targets.items()}
    return Batch(inputs, targets, batch.rows[rows])


def appended(batch: Batch, others: Sequence[Batch]) -> Batch:
    """A batch with the rows of others behind its own, which have no targets here and no place (0, since there must be one).

    Rows are padded to the longest. Read as one batch, all rows are normalised by the same statistics.

    Args:
        batch: with targets.
        others: with the same inputs.
    """
    parts = [batch, *others]
    more = sum(len(part.rows) for part in others)
    inputs = {name: _together([part.inputs[name] for part in parts]) for name in batch.inputs}
    targets = {
        name: (_padded([values, values.new_zeros(more, *values.shape[1:])]), torch.cat([mask, mask.new_zeros(more)]))
        for name, (values, mask) in batch.targets.items()
    }
    return Batch(inputs, targets, torch.cat([batch.rows, batch.rows.new_zeros(more)]))


def _together(parts: Sequence[Input]) -> Input:
    known = None
    if all(part.known is not None for part in parts):  # else the encoder reads them all again
        known = Features(*(_padded(kind) for kind in zip(*(part.known for part in parts), strict=True)))
    return Input(_padded([part.values for part in parts]), _padded([part.mask for part in parts]), known)


def _padded(parts: Sequence[Tensor]) -> Tensor:
    """Rows of all, with zeros (False) behind those that are shorter in some dimension."""
    shape = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    whole = parts[0].new_zeros(sum(map(len, parts)), *shape)
    start = 0
    for part in parts:
        whole[(slice(start, start + len(part)), *(slice(size) for size in part.shape[1:]))] = part
        start += len(part)
    return whole
