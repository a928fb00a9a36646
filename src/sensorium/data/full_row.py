"""A row that holds as much as a run's inputs can."""

from collections.abc import Mapping

import numpy as np
import torch

from sensorium.data.batches import Reader
from sensorium.data.media_readers import AudioReader, MediaReader
from sensorium.data.text import UNKNOWN
from sensorium.encoders.features import Input

__all__ = ["full_row"]


def full_row(readers: Mapping[str, Reader | MediaReader]) -> dict[str, Input]:
    """A batch of one row of zeros in which nothing is missing: texts and sounds of the greatest length, bags full.

    Args:
        readers: fitted, by input.
    """
    found = {}
    for name, reader in readers.items():
        values, mask = reader.collate([_item(reader)])
        found[name] = Input(torch.from_numpy(values), torch.from_numpy(mask))
    return found


def _item(reader: Reader | MediaReader) -> np.ndarray | list[np.ndarray]:
    """What a cell becomes."""
    if isinstance(reader, MediaReader):
        shape = reader.shape
        if isinstance(reader, AudioReader):
            shape = (round(reader.options["sample_rate"] * reader.options["seconds"]),)
        return [np.zeros(shape, dtype=reader.dtype)] * reader.bag
    if reader.modality == "text":
        return np.full(reader.max_tokens, UNKNOWN, dtype=np.int64)
    size = reader.size if reader.modality == "vector" else reader.numeric + len(reader.sizes)
    return np.zeros(size, dtype=np.float32)
