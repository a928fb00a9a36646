"""What is asked of a batch, of as many of its rows at once as there is memory for."""

from collections.abc import Callable
from typing import TypeVar

import torch

from sensorium.data.batches import Batch
from sensorium.data.joining import rows_of

__all__ = ["less_at_once", "out_of_memory"]

T = TypeVar("T")
WORDS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "std::bad_alloc",
)  # of the processor's allocator


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no more memory, on whatever device.

    Example:
        >>> out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."))
        True
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)


def less_at_once(asked: Callable[[Batch], T], batch: Batch) -> list[T]:
    """What `asked` gives for a batch, or for each of its halves where there is no memory for all rows at once."""
    try:
        return [asked(batch)]
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error) or len(batch.rows) == 1:
            raise
    # Outside of `except`, whose error holds what was made so far.
    half = len(batch.rows) // 2
    parts = (rows_of(batch, slice(half)), rows_of(batch, slice(half, None)))
    return [found for part in parts for found in less_at_once(asked, part)]
