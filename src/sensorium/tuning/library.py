"""Optuna, which is loaded for tuning alone."""

import logging
from types import ModuleType

from sensorium.errors import imported_for

__all__ = ["load_optuna"]


def load_optuna() -> ModuleType:
    """The library, quiet: a tuning tells of its trials itself.

    Raises:
        ConfigError: it is not installed.
    """
    with imported_for("tuning", "optuna", "tune"):
        import optuna
    logging.getLogger("optuna").setLevel(logging.ERROR)
    return optuna
