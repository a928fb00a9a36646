"""How strange a row is: how much worse its inputs are rebuilt than those of usual rows."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sensorium.data.batches import Rows
from sensorium.model import MultimodalModel
from sensorium.pretraining.objective import rebuilt

__all__ = ["learn_usual", "strangeness"]

SMALL = 1e-6  # error that is no worse than none
NARROW = 0.05  # the least spread of log errors, so that a constant input is not strange by rounding


@torch.no_grad()
def _log_errors(model: MultimodalModel, rows: Rows, size: int) -> Iterator[Tensor]:
    """Of each batch (B, M, 2): with the input in sight, and from the others; NaN where there is nothing to say."""
    model.eval()
    for batch in rows.batches(size):
        found = rebuilt(model, model.encode(batch.inputs), batch.inputs)
        yield torch.stack(found, 2).clamp(min=SMALL).log()


def learn_usual(model: MultimodalModel, rows: Rows, size: int) -> None:
    """Keep what is usual of each input's errors: the median and the spread over these rows, which few odd ones don't move."""
    errors = torch.cat(list(_log_errors(model, rows, size)))  # (N, M, 2)
    low, middle, high = errors.nanquantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
    model.rebuilder.centre.copy_(middle.nan_to_num(0.0))
    model.rebuilder.spread.copy_(((high - low) / 1.349).nan_to_num(1.0).clamp(min=NARROW))  # a normal law's deviation


def strangeness(model: MultimodalModel, rows: Rows, size: int) -> np.ndarray:
    """(N, M) of each input, in the deviations of usual rows, 0 for a usual one; NaN where a row misses it."""
    rebuilder = model.rebuilder
    scores = [((errors - rebuilder.centre) / rebuilder.spread).nanmean(2) for errors in _log_errors(model, rows, size)]
    return torch.cat(scores).numpy()
