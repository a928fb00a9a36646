"""Checks of a module's sizes, worded one way everywhere. `name` is the component and its argument: 'ImageCNN.width'."""

from collections.abc import Sequence

from torch import Tensor

from sensorium.errors import ConfigError

__all__ = ["at_least", "fraction", "multiple", "shaped", "sizes"]


def at_least(name: str, value: int, least: int = 1) -> int:
    """The value, if it is a whole number and large enough.

    Raises:
        ConfigError: it is not.

    Example:
        >>> at_least("ImageCNN.width", 64)
        64
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} must be a whole number, {least} or more; got {value!r}.")
    return value


def fraction(name: str, value: float) -> float:
    """The value, if it is in [0, 1): what a dropout may be.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigError(f"{name} must be from 0 up to, not including, 1; got {value!r}.")
    return float(value)


def multiple(name: str, value: int, of_name: str, of: int) -> int:
    """The value, if `of` divides it; else an error with the nearest values that would do.

    Raises:
        ConfigError: it does not.

    Example:
        >>> multiple("ImageViT.width", 96, "num_heads", 4)
        96
    """
    at_least(name, value)
    at_least(f"{name.rpartition('.')[0]}.{of_name}".lstrip("."), of)
    if value % of:
        below = value // of * of
        near = f"{below} or {below + of}" if below else f"{of}"
        raise ConfigError(f"{name} must be a multiple of {of_name} ({of}); got {value}. Try {near}.")
    return value


def sizes(name: str, values: Sequence[int]) -> tuple[int, ...]:
    """The values as a tuple, if there is one or more and each is a positive whole number.

    Raises:
        ConfigError: they are not.
    """
    listed = isinstance(values, Sequence) and len(values) > 0
    if not listed or not all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in values):
        raise ConfigError(f"{name} must be one or more whole numbers, each 1 or more; got {values!r}.")
    return tuple(values)


def shaped(name: str, values: Tensor, pattern: Sequence[int | str]) -> None:
    """Refuses a tensor of another shape than the pattern, in which a word stands for any size.

    Raises:
        ConfigError: it is of another shape.
    """
    fits = values.dim() == len(pattern) and all(
        isinstance(want, str) or want == got for want, got in zip(pattern, values.shape, strict=True)
    )
    if not fits:
        raise ConfigError(f"{name} must have the shape ({', '.join(map(str, pattern))}); got {tuple(values.shape)}.")
