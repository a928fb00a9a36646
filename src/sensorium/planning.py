"""What a fit is to do, settled before anything is decoded: the configuration as written, filled in from the table."""

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

from sensorium.completion import complete
from sensorium.config import SHORT, Config, parse_config, read_config, set_value
from sensorium.data.schema import Schema, guess_schema
from sensorium.data.table import Table
from sensorium.privacy.rules import privately

__all__ = ["over", "plan"]

FITTED = ("size", "frames", "sample_rate", "seconds")  # options of an input that depend on its encoder


def plan(
    table: Table,
    target: str | Sequence[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    ignore: Sequence[str] = (),
    modalities: Mapping[str, str] | None = None,
    targets: bool = True,
    start: Any = None,
) -> tuple[Config, Schema]:
    """The whole configuration for a table, and its schema: nothing is decoded or trained.

    Args:
        table: the training rows.
        target: one column or several; the configuration's targets where left out.
        config: a YAML file or a dict; what it leaves out is filled in from the table.
        settings: `key.path=value`, over everything else.
        ignore, modalities: for `guess_schema`.
        targets: False: there is to be none.
        start: a `sensorium.training.start.Start`, whose inputs and fusion are taken where nothing else is written.

    Raises:
        ConfigError: with every mistake there is.
    """
    given = _plain(config)
    parse_config({**given, "inputs": {}})  # mistakes outside the inputs, before anything is looked at
    for setting in settings:
        # Which columns become inputs, and with which encoders, depends on it.
        if setting.startswith(("split.", "domain", "privacy.", "training.pretrained")):
            given = copy.deepcopy(given)
            set_value(given, setting)
    known: dict[str, dict[str, Any]] = {}
    if start is not None:
        given, known = start.over(given), start.inputs()
        seen = {column: kind for column, kind in start.modalities(table).items() if column not in ignore}
        modalities = {**seen, **(modalities or {})}
    schema = guess_schema(table, modalities, ignore)
    if start is not None:
        schema = start.schema(schema)
    names = ([target] if isinstance(target, str) else list(target or [])) if targets else None
    data = complete(given, schema, table, names, known)
    # By every input's name, since one with a dot in it is only found among those that are there.
    own = {str(name): options for name, options in (given.get("inputs") or {}).items()}
    written = {name: copy.deepcopy(own.get(name)) or {} for name in data["inputs"]}
    for setting in settings:
        set_value(data, setting)
        if setting.startswith("inputs."):
            set_value(written, setting.removeprefix("inputs."))
    for name, asked in written.items():  # sizes that suited another encoder are found anew
        options = data["inputs"].get(name)
        if isinstance(asked, dict) and isinstance(options, dict) and "encoder" in asked:
            data["inputs"][name] = {key: value for key, value in options.items() if key in asked or key not in FITTED}
    config = privately(parse_config(complete(data, schema, table, names, known)))
    return config, schema


def _plain(config: str | os.PathLike[str] | Mapping[str, Any] | None) -> dict[str, Any]:
    """A configuration as it is given, as a dict."""
    return {} if config is None else dict(config) if isinstance(config, Mapping) else read_config(config)


def over(
    config: str | os.PathLike[str] | Mapping[str, Any] | None, sections: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """A configuration as a dict, with options of sections set over it."""
    given = _plain(config)
    for key, options in sections.items():
        had = given.get(key) or {}
        if isinstance(had, str) and key in SHORT:
            had = {SHORT[key]: had}
        if options and isinstance(had, Mapping):  # else `plan` refuses it
            given[key] = {**had, **options}
    return given
