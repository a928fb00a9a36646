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
def at_most(size: int, count: int, name: str) -> Iterator[None]:
    """Modules that are made by this thread meanwhile may have only so many parameters and buffers.

    A parameter is counted before it is filled, so that not even one too large takes memory.

    Args:
        size: bytes of all together.
        count: how many tensors.
        name: of what is read, for messages.

    Raises:
        DataError: they have more.
    """
    thread, taken, made = threading.get_ident(), 0, 0

    def take(module: nn.Module, part: str, value: Tensor | None) -> None:
        nonlocal taken, made
        if value is None or threading.get_ident() != thread:
            return
        taken, made = taken + value.nbytes, made + 1
        if taken > size or made > count:
            raise DataError(
                f"{name} does not fit the configuration of the run, which asks for {taken:,} bytes in {made:,} tensors or more."
            )

    hooks = [register_module_parameter_registration_hook(take), register_module_buffer_registration_hook(take)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
