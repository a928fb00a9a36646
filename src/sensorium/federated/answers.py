"""What a site says of its table, looked at before it is used: whoever takes part may send anything."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from sensorium.build import build_readers
from sensorium.config import Config, parse_config
from sensorium.data.schema import Column, Schema
from sensorium.data.tabular import TabularReader, VectorReader
from sensorium.data.text import TextReader
from sensorium.errors import SensoriumError
from sensorium.federated.counts import MOST_WORDS
from sensorium.federated.wire import Refusal

__all__ = ["checked_counts", "checked_proposal"]

FAULTS = (ArithmeticError, AttributeError, LookupError, SensoriumError, TypeError, ValueError)


def checked_proposal(told: Mapping[str, Any], targets: Collection[str]) -> dict[str, Any]:
    """What a site would learn with.

    Args:
        told: by the site.
        targets: that it was asked for.

    Raises:
        Refusal: it is none.
    """
    try:
        config = parse_config(told["config"])
        columns = [Column(**column) for column in told["columns"]]
        fine = isinstance(told["rows"], int) and told["rows"] > 0 and config.inputs and config.targets
        fine = fine and all(isinstance(c.bag, int) and isinstance(c.name, str) for c in columns)
        fine = (
            fine and isinstance(told["config"]["training"]["batch_size"], int) and set(config.targets) == set(targets)
        )
        fine = fine and all(
            np.shape(c.facts.get("size", (1, 1))) == (2,) and min(c.facts.get("size", (1, 1))) > 0 for c in columns
        )
    except FAULTS as error:
        raise Refusal("what it says of its table can't be read.") from error
    if not fine:
        raise Refusal("it has no rows with these targets, or does not say what they are.")
    return dict(told)


def checked_counts(config: Config, schema: Schema, told: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of a site, see `counts_of`.

    Raises:
        Refusal: they are none.
    """
    try:
        inputs, readers = {}, build_readers(config, schema)
        for name, part in told["inputs"].items():
            reader = readers[name]
            if isinstance(reader, TabularReader):
                width = sum({"numeric": 1, "date": 7}.get(kind, 0) for kind in reader.kinds.values())
                categories = {c: _counts(part["categories"][c]) for c in part["categories"] if c in reader.kinds}
                days = [c for c in part["day_first"] if c in reader.kinds]
                inputs[name] = {"moments": _moments(part, width), "categories": categories, "day_first": days}
            elif isinstance(reader, VectorReader) and part:
                inputs[name] = {"size": part["size"], "moments": _moments(part, part["size"])}
            elif isinstance(reader, TextReader) and part:
                words = dict(list(_counts(part["words"]).items())[:MOST_WORDS])
                inputs[name] = {"words": words, "characters": int(part["characters"]), "bytes": float(part["bytes"])}
        targets = {}
        for name, part in told["targets"].items():
            regression = config.targets[name].task == "regression"
            targets[name] = {"moments": _moments(part, 1)} if regression else {"classes": _counts(part["classes"])}
    except FAULTS as error:
        raise Refusal("its counts can't be read.") from error
    return {"inputs": inputs, "targets": targets}


def _counts(told: Mapping[str, Any]) -> dict[str, int]:
    if not all(isinstance(count, int) and 0 < count < 10**9 for count in told.values()):
        raise ValueError
    return dict(told)


def _moments(part: Mapping[str, Any], width: int) -> list[list[float]]:
    values = np.array(part["moments"], dtype=np.float64)
    if values.shape != (3, width) or not np.isfinite(values).all() or (values[[0, 2]] < 0).any():
        raise ValueError
    return values.tolist()
