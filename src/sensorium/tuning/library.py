"""Optuna, which is loaded for tuning alone."""

import logging
from types import ModuleType

from sensorium.errors import ConfigError

__all__ = ["load_optuna"]


def load_optuna() -> ModuleType:
    """The library, quiet: a tuning tells of its trials itself.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("tuning needs optuna. Install it with: pip install 'sensorium[tune]'") from error
    logging.getLogger("optuna").setLevel(logging.ERROR)
    return optuna
