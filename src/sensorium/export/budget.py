"""A limit on what a network may take while it is built: a run from elsewhere may ask for any size in a line."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from sensorium.errors import DataError

__all__ = ["at_most"]


@contextmanager
def at_most(size: int, name: str) -> Iterator[None]:
    """Modules that are made by this thread meanwhile may have `size` bytes of parameters and buffers together.

    A parameter is counted before it is filled, so that not even one too large takes memory.

    Raises:
        DataError: they have more; the message begins with `name`.
    """
    thread, taken = threading.get_ident(), 0

    def count(module: nn.Module, part: str, value: Tensor | None) -> None:
        nonlocal taken
        if value is None or threading.get_ident() != thread:
            return
        taken += value.nbytes
        if taken > size:
            raise DataError(
                f"{name} does not fit the configuration of the run, which asks for {taken:,} bytes and more."
            )

    hooks = [register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
