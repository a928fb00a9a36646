"""A folder for checkpoints: begun in, or gone on with by what it was begun with."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from sensorium.config import Config, dump_config
from sensorium.data.cells_digest import cells_digest
from sensorium.data.table import Table
from sensorium.errors import ConfigError
from sensorium.export.archive import read_json, write_json
from sensorium.media.cache import content_digest

__all__ = ["BEFORE", "LAST", "abandon", "claim", "made_of"]

LAST, BEFORE = "last.ckpt", "before.ckpt"
MARK = "made_of.json"
# Options that decide when a training is done, or how, but not what of.
FREE = {f"training.{name}" for name in ("cache_size", "memory", "probes", "threads", "time_limit", "workers")}
SHOWN = 3  # differences


def made_of(config: Config, tables: Mapping[str, Table | None], start: str | None = None) -> dict[str, Any]:
    """What a training depends on.

    Args:
        config: complete.
        tables: rows, by what they are for.
        start: hash of the weights that it starts from.
    """
    return {
        "sensorium": version("sensorium"),
        "options": dict(_flat(yaml.safe_load(dump_config(config)))),
        "rows": {name: _digest(table) for name, table in tables.items() if table is not None},
        "start": start,
    }


def _digest(table: Table) -> str:
    if table.path is not None and table.path.is_file():
        return f"{content_digest(table.path).hex()} {len(table)} {' '.join(table.columns)}"
    return cells_digest(table, table.columns)


def _flat(options: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each option by its path."""
    if not isinstance(options, dict):
        yield path, options
        return
    for name, value in options.items():
        yield from _flat(value, f"{path}.{name}" if path else str(name))


def claim(folder: Path, given: Mapping[str, Any], resume: bool) -> None:
    """Empty a folder for checkpoints, and write what they will be of; where `resume` finds some, check that it is the same.

    Raises:
        ConfigError: it is another's, or there is something unfinished that nobody has said to go on with.
        DataError: the folder can't be written to.
    """
    mark = folder / MARK
    begun = next((path for name in (LAST, BEFORE) for path in folder.rglob(name)), None)
    if resume and mark.exists():
        if differences := list(_differences(read_json(mark), given)):
            more = f", and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
            raise ConfigError(
                f"{folder} holds checkpoints of another training: {'; '.join(differences[:SHOWN])}{more}. "
                "Give what was given before, take another --out, or delete the folder."
            )
        return
    if begun is not None and not resume:
        raise ConfigError(
            f"{folder.parent} holds a run that is not finished. --resume (resume=True) goes on with it; "
            "take another --out, or delete it, to begin anew."
        )
    shutil.rmtree(folder, ignore_errors=True)
    write_json(mark, given)


def abandon(folder: Path) -> None:
    """Take away what `claim` wrote, where an error came before anything was learned."""
    if all(path.name == MARK for path in folder.rglob("*") if path.is_file()):
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # there is something else in it
            folder.parent.rmdir()


def _differences(kept: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """In words, what is now another thing than it was."""
    before, now = kept["options"], given["options"]
    for path in sorted({*before, *now} - FREE):
        if before.get(path) != now.get(path):
            yield f"{path} was {before.get(path, 'not given')} and is {now.get(path, 'not given')}"
    for name in sorted({*kept["rows"], *given["rows"]}):
        if kept["rows"].get(name) != given["rows"].get(name):
            yield f"the rows to {name} have changed"
    if kept["start"] != given["start"]:
        yield "it starts from another run"
    if kept["sensorium"] != given["sensorium"]:
        yield f"sensorium was {kept['sensorium']} and is {given['sensorium']}"
