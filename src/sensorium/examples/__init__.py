"""Tables with real media files to try everything on."""

from collections.abc import Callable
from pathlib import Path

from sensorium.errors import ConfigError, did_you_mean
from sensorium.examples.demo import make_demo

__all__ = ["EXAMPLES", "make"]

EXAMPLES: dict[str, Callable[[Path], dict[str, Path]]] = {"demo": make_demo}


def make(name: str, folder: str | Path) -> dict[str, Path]:
    """Make the example `name` in `folder`.

    Returns:
        The paths of its tables and of its description.

    Raises:
        ConfigError: no such example, or a folder that is not empty.
    """
    if name not in EXAMPLES:
        raise ConfigError(f"unknown example '{name}'. {did_you_mean(name, EXAMPLES)}")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already and not empty. Take another --out, or delete it.")
    return EXAMPLES[name](folder)
