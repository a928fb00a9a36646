"""The library captum."""

from typing import Any

from sensorium.errors import imported_for

__all__ = ["captum_attr"]


def captum_attr() -> Any:
    """Its methods.

    Raises:
        ConfigError: it is not installed.
    """
    with imported_for("explaining", "captum", "explain"):
        import captum.attr
    return captum.attr
