"""The library captum."""

from typing import Any

from sensorium.errors import ConfigError

__all__ = ["captum_attr"]


def captum_attr() -> Any:
    """Its methods.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import captum.attr
    except ImportError as error:
        raise ConfigError("explaining needs captum. Install it with: pip install 'sensorium[explain]'") from error
    return captum.attr
