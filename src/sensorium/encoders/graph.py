"""Whether a model is being written down as a graph, in which nothing may depend on what the values are."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

__all__ = ["as_graph", "groups", "in_graph"]

_tracing: ContextVar[bool] = ContextVar("tracing", default=False)


@contextmanager
def as_graph() -> Iterator[None]:
    """While it lasts, modules compute every row and position and put absent ones to 0, in place of leaving them out."""
    token = _tracing.set(True)
    try:
        yield
    finally:
        _tracing.reset(token)


def in_graph() -> bool:
    """Whether `as_graph` is on."""
    return _tracing.get()


def groups(length: int, size: int) -> Tensor:
    """The places of `length` things, `size` a group, beyond their end in the last one: (ceil(length / size), size).

    Example:
        >>> groups(3, 2)
        tensor([[0, 1],
                [2, 3]])
    """
    return torch.arange((length + size - 1) // size)[:, None] * size + torch.arange(size)
