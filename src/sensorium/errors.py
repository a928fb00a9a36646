"""What a user can get wrong. Every message names what, where, what must hold, what came, and what to do."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = [
    "ConfigError", "DataError", "MediaError", "SensoriumError", "TrainingError", "did_you_mean", "imported_for", "within",
]  # fmt: skip


class SensoriumError(ValueError):
    """A mistake that the user can mend. The command line prints it without a traceback and exits with 2."""


class ConfigError(SensoriumError):
    """An option, or a combination of options, that can't be used."""


class DataError(SensoriumError):
    """A table, a column or a cell that can't be used."""


class MediaError(SensoriumError):
    """A media file that can't be read; the message is the reason alone, the caller adds row and column."""


class TrainingError(SensoriumError):
    """Training that can't go on."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an 'unknown name' message: the nearest known name, then all of them, sorted.

    Example:
        >>> did_you_mean("vti", ["vit", "cnn"])
        "Did you mean 'vit'? There are: cnn, vit."
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    return f"{guess}There are: {', '.join(names) or 'none'}."


def within(path: str, function: Callable[..., Any], *args: Any) -> Any:
    """What a function that knows no configuration gives; its errors with the option's path."""
    try:
        return function(*args)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


@contextmanager
def imported_for(purpose: str, library: str, extra: str, more: str = "") -> Iterator[None]:
    """Around the import of a library that an extra brings.

    Raises:
        ConfigError: it is not installed; the message begins with `purpose` and ends with `more`.
    """
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"{purpose} needs {library}. Install it with: pip install 'sensorium[{extra}]'{more}"
        ) from error
