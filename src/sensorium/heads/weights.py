"""Numbers that change a head's loss, checked: one a class."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sensorium.errors import ConfigError

__all__ = ["finite_numbers", "focus", "positive_numbers"]


def positive_numbers(name: str, values: Sequence[float] | None, count: int) -> Tensor | None:
    """The numbers as a float tensor, or None for None.

    Raises:
        ConfigError: another count, or one that is not above 0 and finite.

    Example:
        >>> positive_numbers("Classification.weights", [1, 2.5], 2)
        tensor([1.0000, 2.5000])
    """
    if values is None:
        return None
    values = [float(value) for value in values]
    if len(values) != count or not all(math.isfinite(value) and value > 0 for value in values):
        raise ConfigError(f"{name} must be {count} numbers above 0; got {values}.")
    return torch.tensor(values)


def finite_numbers(name: str, values: Sequence[float] | None, count: int) -> Tensor | None:
    """The numbers as a float tensor, or None for None.

    Raises:
        ConfigError: another count, or one that is not finite.

    Example:
        >>> finite_numbers("Classification.shift", [0, -2.5], 2)
        tensor([ 0.0000, -2.5000])
    """
    if values is None:
        return None
    values = [float(value) for value in values]
    if len(values) != count or not all(map(math.isfinite, values)):
        raise ConfigError(f"{name} must be {count} finite numbers; got {values}.")
    return torch.tensor(values)


def focus(name: str, value: float) -> float:
    """The power of a focal loss.

    Raises:
        ConfigError: below 0, or not finite.

    Example:
        >>> focus("Binary.gamma", 2)
        2.0
    """
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(f"{name} must be a number, 0 or more; got {value}.")
    return float(value)
