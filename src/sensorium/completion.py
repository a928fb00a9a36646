"""What a configuration leaves open, filled in from a table: plain data in and out, nothing decoded."""

import copy
from collections.abc import Collection, Mapping
from typing import Any

from sensorium.config import INPUTS, SHORT, parse_config
from sensorium.data.schema import Schema
from sensorium.data.table import Table
from sensorium.data.targets import guess_task
from sensorium.errors import ConfigError, did_you_mean, within
from sensorium.pretrained.choose import chosen_encoder, wanted_of

__all__ = ["VALUES", "complete"]

VALUES = ("numeric", "categorical", "boolean", "date")  # modalities that are read together as one input
EPOCHS = (5, 40)  # at least and at most, where the configuration says nothing


def complete(
    data: dict[str, Any],
    schema: Schema,
    table: Table,
    targets: list[str] | None,
    known: Mapping[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """`data` with everything that is not written filled in from the table, still as plain data.

    Args:
        data: what is written.
        schema: of `table`.
        table: the rows.
        targets: columns; None: there is to be no target, and columns that `data` says are targets are left out.
        known: inputs of another run, by name, which are taken where the table has their columns; options that are written
            for one of that name are over it.

    Inputs that are written are taken as they are, and are then the only ones; without any, every column that is
    not a target, split by, an identifier or ignored becomes one, and value columns together become the input 'columns'.

    Raises:
        ConfigError: an input names a column that the table lacks or that is a target, or there is no input or target.
    """
    data = copy.deepcopy(data)  # what is filled in, or set over it later, leaves the caller's own as it is
    data["training"] = data.get("training") or {}
    for key, option in SHORT.items():
        if isinstance(data.get(key), str):
            data[key] = {option: data[key]}  # so that single options can be set in it
    data["targets"] = {name: dict(value or {}) for name, value in (data.get("targets") or {}).items()}
    for name in targets or ():
        data["targets"].setdefault(name, {})
    if targets is not None and not data["targets"]:
        raise ConfigError(f"no target is given. Name one with --target. There are: {', '.join(table.columns)}.")
    for name, target in data["targets"].items():
        if name not in table.columns:
            raise ConfigError(
                f"{table.name} has no column '{name}' to be the target. {did_you_mean(name, table.columns)}"
            )
        if target.get("task") is None:
            target["task"] = "generation" if "model" in target else guess_task(table.cells(name))
        _check_prompt(name, target.get("prompt"), table, data["targets"])
    split_by = _split_columns(data.get("split"), table, data["targets"])
    domain = _domain_column(data.get("domain"), table, data["targets"])
    written = data.get("inputs")
    left_out = {*data["targets"], *split_by, *domain}
    if written:
        data["inputs"] = _written(written, schema, table, known or {})
    else:
        taken = _taken(known or {}, schema, left_out)
        used = {column for name, given in taken.items() for column in _columns(name, given)}
        data["inputs"] = {**taken, **_guessed(schema, left_out | used, known or {})}
    if not data["inputs"]:
        raise ConfigError(
            f"{table.name} has no column to learn from: beside the target all are empty, constant or identifiers. "
            "Say what a column is with --as COLUMN=MODALITY."
        )
    for name, given in data["inputs"].items():
        columns = _columns(name, given)
        for column in columns:
            if column in data["targets"]:
                raise ConfigError(f"inputs.{name}: column '{column}' is a target; the answer can't be an input.")
            if column in domain:
                raise ConfigError(
                    f"inputs.{name}: column '{column}' is the domain; the model is to tell little of it, so it can't be an "
                    "input. Leave it out of the inputs, or the section domain out."
                )
            if column not in schema.columns:
                raise ConfigError(
                    f"inputs.{name}: {table.name} has no column '{column}'. {did_you_mean(column, schema.columns)}"
                )
        if len(columns) == 1:
            path, facts = f"inputs.{name}.encoder", schema.columns[columns[0]].facts
            wanted = bool(data["training"].get("pretrained"))
            given = within(path, chosen_encoder, given, lambda column=columns[0]: _sample(table, column), wanted)
            ours = within(path, wanted_of, given, facts)
            data["inputs"][name] = {**(_defaults(given, facts, len(table)) if ours is None else ours), **given}
    privacy = data.get("privacy")
    private = isinstance(privacy, dict) and privacy.get("epsilon") is not None
    _training(data["training"], len(table), alone=targets is None, private=private)
    if targets is None:
        data["targets"] = {}
    return data


def _sample(table: Table, column: str) -> list[Any]:
    """Some of a column's cells, evenly spread."""
    step = max(1, len(table) // 200)
    return table.cells(column)[::step]


def _columns(name: str, given: Mapping[str, Any]) -> list[str]:
    """What an input reads."""
    return list(given["columns"]) if "columns" in given else [given.get("column") or name]


def _taken(known: Mapping[str, dict[str, Any]], schema: Schema, left_out: set[str]) -> dict[str, dict[str, Any]]:
    """Those of another run's inputs whose columns are all there to be read."""
    there = {column.name for column in schema.columns.values() if column.modality != "ignored"} - left_out
    return {name: dict(given) for name, given in known.items() if there.issuperset(_columns(name, given))}


def _check_prompt(name: str, prompt: Any, table: Table, targets: Mapping[str, Any]) -> None:
    """The column of what is asked is there, and no target."""
    if prompt is None:
        return
    if prompt not in table.columns:
        raise ConfigError(
            f"targets.{name}.prompt: {table.name} has no column '{prompt}'. {did_you_mean(str(prompt), table.columns)}"
        )
    if prompt in targets:
        raise ConfigError(f"targets.{name}.prompt: column '{prompt}' is a target; the answer can't be what is asked.")


def _split_columns(split: Any, table: Table, targets: Mapping[str, Any]) -> list[str]:
    """The columns that rows are split by: they are there, and none is a target."""
    found: list[str] = []
    if not isinstance(split, dict):
        return found  # none is written, or `parse_config` refuses it
    for key in ("by", "time"):
        if (column := split.get(key)) is None:
            continue
        if column not in table.columns:
            raise ConfigError(
                f"split.{key}: {table.name} has no column '{column}'. {did_you_mean(column, table.columns)}"
            )
        if column in targets:
            raise ConfigError(f"split.{key}: column '{column}' is a target; rows can't be split by the answer.")
        found.append(column)
    if split.get("folds") == "each" and split.get("by") is None:
        raise ConfigError("split.folds: each needs split.by: one value of that column is kept out at a time. Name it.")
    if split.get("time") is not None and split.get("folds") is not None:
        raise ConfigError(
            "split.time can't go with split.folds: folds learn from later rows to answer earlier ones. "
            "Leave one of them out."
        )
    return found


def _domain_column(domain: Any, table: Table, targets: Mapping[str, Any]) -> list[str]:
    """The column of domains, where one is named: it is there, and no target."""
    column = domain.get("column") if isinstance(domain, dict) else None
    if column is None:
        return []
    if column not in table.columns:
        raise ConfigError(
            f"domain.column: {table.name} has no column '{column}'. {did_you_mean(column, table.columns)}"
        )
    if column in targets:
        raise ConfigError(f"domain.column: column '{column}' is a target; the model must tell it. Take another column.")
    return [column]


def _guessed(schema: Schema, left_out: set[str], taken: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """`taken`: names that are other inputs' already."""
    inputs: dict[str, dict[str, Any]] = {}
    columns = [c for c in schema.columns.values() if c.name not in left_out]
    for column in columns:
        if column.modality in {"image", "text", "audio", "video", "vector"}:
            inputs[column.name] = {"modality": column.modality}
    if values := [column.name for column in columns if column.modality in VALUES]:
        name = "columns"
        while name in inputs or name in taken:
            name += "_"
        inputs[name] = {"modality": "tabular", "columns": values}
    return inputs


def _written(written: Any, schema: Schema, table: Table, known: Mapping[str, dict[str, Any]]) -> Any:
    """Inputs of the user, over those of another run, with the modality of others that name none guessed from their column."""
    if not isinstance(written, dict):
        parse_config({"inputs": written})  # which refuses it
    inputs = {}
    for name, value in written.items():
        value = {} if value is None else value
        other = known.get(str(name), {})
        if isinstance(value, dict) and value.get("modality") in {None, other.get("modality")}:
            value = {**other, **value}
        if isinstance(value, dict) and "modality" not in value:
            column = schema.columns.get(str(value.get("column") or name))
            if column is not None and column.modality in INPUTS:
                value = {"modality": column.modality, **value}
            elif "columns" in value:
                value = {"modality": "tabular", **value}
        inputs[str(name)] = value
    parse_config({"inputs": inputs})  # what is written must hold before anything is added to it
    return inputs


def _defaults(given: Mapping[str, Any], facts: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """What suits this column, for the options of its input that are not written."""
    modality = given["modality"]
    if modality == "image":
        return {"size": _size(facts.get("size"), 64 if rows < 20_000 else 96, patch=given.get("encoder"))}
    if modality == "video":
        kind = given.get("encoder", {"type": "motion" if facts.get("has_motion") else "frames"})
        defaults = {"size": _size(facts.get("size"), 64), "encoder": kind}
        # Spans of motion cost less than frames, and more of them tell more.
        motion = kind == "motion" or (isinstance(kind, dict) and kind.get("type") == "motion")
        return {**defaults, "frames": 32} if motion else defaults
    if modality == "audio":
        rate = int(min(16000, max(8000, facts.get("sample_rate", 16000))))
        return {"sample_rate": rate, "seconds": round(min(30.0, max(0.1, facts.get("most_seconds", 30.0) * 1.2)), 2)}
    if modality == "text":
        return {"encoder": {"type": "bag" if rows < 5000 else "transformer"}}
    return {}


def _size(found: list[int] | None, most: int, patch: Any = None) -> list[int]:
    """The usual picture's shape, its longer side at most half as much again as `most`, its shorter at most `most`."""
    height, width = found or [most, most]
    scale = min(1.0, most / min(height, width), 1.5 * most / max(height, width))
    step = 8 if min(height, width) * scale >= 32 else 4
    patch = {"type": patch} if isinstance(patch, str) else patch
    if isinstance(patch, dict) and patch.get("type") == "vit":
        step = int(patch.get("patch_size", 8))
    return [max(step, 16 // step * step, round(side * scale / step) * step) for side in (height, width)]


def _training(training: dict[str, Any], rows: int, alone: bool = False, private: bool = False) -> None:
    """Batches and epochs for 100 rows as for 100,000: some 2,500 steps, no batch below 8 or above 128 rows.

    alone: without targets; there the other rows of a batch are what a row is told from, and more of them tell more.
    private: fewer and larger steps, up to 512 rows, since each step has its noise, whatever its rows.
    """
    defaults = {
        "batch_size": 8 if rows < 300 else 16 if rows < 1000 else 32 if rows < 10_000 else 64 if rows < 50_000 else 128
    }
    if alone:
        defaults["batch_size"] = min(128, 4 * defaults["batch_size"])
    batch = training.get("batch_size") or defaults["batch_size"]
    steps = max(1, rows // batch) if isinstance(batch, int) and batch > 0 else 1
    defaults["epochs"] = min(EPOCHS[1], max(EPOCHS[0], round(2500 / steps)))
    defaults["learning_rate"] = 1e-3
    if private:
        defaults |= {"batch_size": max(1, min(512, rows // 8)), "epochs": 20, "learning_rate": 4e-3}
    defaults["patience"] = 10
    for name, value in defaults.items():
        if training.get(name) is None:
            training[name] = value
