"""What a comparison is made of, so that one that is gone on with is the same."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from sensorium.config import Config, dump_config
from sensorium.data.cells_digest import cells_digest
from sensorium.data.table import Table
from sensorium.errors import ConfigError
from sensorium.export.archive import read_json, write_json

__all__ = ["check_same", "made_of"]


def made_of(table: Table, test: Table | None, config: Config) -> dict[str, Any]:
    """What every cell's outcome depends on."""
    used = list(config.targets)
    for name, given in config.inputs.items():
        used += given.columns if given.modality == "tabular" else [given.column or name]
    used += [column for column in (config.split.by, config.split.time) if column is not None]
    columns = list(dict.fromkeys(used))
    digest = None if test is None else cells_digest(test, columns)
    return {
        "version": version("sensorium"),
        "table": cells_digest(table, columns),
        "test": digest,
        "options": dump_config(config),
    }


def check_same(folder: Path, given: dict[str, Any]) -> None:
    """Remember what is compared; a folder holds one comparison.

    Raises:
        ConfigError: the folder holds another one.
    """
    path = folder / "made_of.json"
    if not path.exists():
        write_json(path, given)
        return
    kept = read_json(path)
    if other := [name for name in given if kept.get(name) != given[name]]:
        words = {
            "version": "another version of sensorium",
            "table": "other rows",
            "test": "other rows to test with",
            "options": "other options",
            "seeds": "other seeds",
        }
        raise ConfigError(
            f"{folder} holds a comparison with {' and '.join(words[name] for name in other)}. "
            "Take another --out, or delete it; with the same ones it is gone on with."
        )
