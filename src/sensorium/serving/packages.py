"""What serving needs beside sensorium's own packages."""

import importlib.util

from sensorium.errors import ConfigError

__all__ = ["check_installed"]

NEEDED = ("aiomisc", "fastapi", "prometheus_client", "python_multipart", "uvicorn")


def check_installed() -> None:
    """
    Raises:
        ConfigError: a package is not installed.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"serving needs {', '.join(missing)}. Install with: pip install 'sensorium[serve]'")
