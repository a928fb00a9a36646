"""One unit vector a row."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.data.batches import Rows
from sensorium.encoders.features import Features, Input
from sensorium.encoders.rows import present_rows
from sensorium.errors import ConfigError, did_you_mean
from sensorium.model import MultimodalModel

__all__ = ["embed", "joined", "readable", "row_vectors"]


@torch.no_grad()
def embed(model: MultimodalModel, rows: Rows, batch_size: int) -> np.ndarray:
    """The vector of each row, from the inputs that `rows` reads; zeros for a row that holds nothing of them.

    Returns:
        (N, size) float32. size: that of the aligner, or the fusion's width where the model has none.
    """
    model.eval()
    found = [row_vectors(model, batch.inputs).numpy() for batch in rows.batches(batch_size)]
    return np.concatenate(found)


def readable(model: MultimodalModel, inputs: Sequence[str] | None = None) -> tuple[str, ...]:
    """The inputs that a vector can be made from, in the model's order; those of them that are asked for.

    Raises:
        ConfigError: an unknown input, one that is not aligned, none.
    """
    known = model.modalities if model.aligner is None else model.aligner.modalities
    if inputs is None:
        return known
    if not inputs:
        raise ConfigError(f"a vector needs an input to be made from; got none. There are: {', '.join(known)}.")
    for name in inputs:
        if name not in model.modalities:
            raise ConfigError(f"unknown input '{name}'. {did_you_mean(name, known)}")
        if name not in known:
            raise ConfigError(f"input '{name}' is not aligned with others in this run. Aligned: {', '.join(known)}.")
    return tuple(name for name in known if name in inputs)


def row_vectors(model: MultimodalModel, inputs: Mapping[str, Input]) -> Tensor:
    """A batch's vectors (B, size): the mean of what is aligned; of a model without an aligner, the fused vector."""
    features = model.encode(inputs)
    if model.aligner is not None:
        return joined(model.aligner(features))
    return F.normalize(model.fusion(features).float(), dim=1).masked_fill(~_present(features), 0)


def joined(vectors: Mapping[str, Tensor]) -> Tensor:
    """The mean of each row's vectors (B, size), where zeros stand for a missing one, as a unit vector."""
    return F.normalize(torch.stack(list(vectors.values())).sum(0), dim=1)


def _present(features: Mapping[str, Features]) -> Tensor:
    """Which rows hold anything at all: (B, 1) bool."""
    return torch.stack([present_rows(one.mask) for one in features.values()]).any(0)[:, None]
