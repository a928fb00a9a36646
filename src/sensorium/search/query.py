"""What is searched for: cells of one row's inputs, and the vector they make."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.config import Config
from sensorium.data.cells import is_missing
from sensorium.errors import ConfigError, DataError, did_you_mean
from sensorium.search.embedding import readable

if TYPE_CHECKING:
    from sensorium.predictor import Predictor

__all__ = ["choose_inputs", "query_vector"]


def choose_inputs(config: Config, asked: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Which inputs `--image q.jpg` and the like mean: by input the file or text.

    Args:
        config: of the run.
        asked: by modality, each a file or text, or COLUMN=it where the run has several inputs of the modality.

    Raises:
        ConfigError: no input of that modality, several to choose from, one asked twice.
    """
    found: dict[str, str] = {}
    for modality, given in asked.items():
        names = [name for name, options in config.inputs.items() if options.modality == modality]
        if not names:
            there = ", ".join(f"{name} ({options.modality})" for name, options in config.inputs.items())
            raise ConfigError(f"the run reads no {modality} to search by. Its inputs: {there}.")
        columns = {(config.inputs[name].column or name): name for name in names} | {name: name for name in names}
        for value in given:
            column, equals, rest = value.partition("=")
            if equals and column in columns:
                name, value = columns[column], rest
            elif len(names) == 1:
                name = names[0]
            else:
                raise ConfigError(
                    f"the run has {len(names)} inputs of {modality}: {', '.join(names)}. Say which one is meant: "
                    f"--{modality} {names[0]}=..."
                )
            if name in found:
                raise ConfigError(f"input '{name}' is given twice; a query holds one {modality} for it.")
            found[name] = value
    return found


def query_vector(predictor: "Predictor", query: Mapping[str, Any], say: Callable[[str], None]) -> np.ndarray:
    """The vector (size,) of one row that holds a query's cells alone.

    Args:
        query: by input, what a table's cell would hold; of an input of several columns a dict of them.

    Raises:
        ConfigError: an unknown input, one that is not aligned, no input.
        DataError: an empty cell, or one that can't be read.
    """
    cells: dict[str, Any] = {}
    names = readable(predictor.model, tuple(query))
    for name in names:
        for column, cell in _cells(predictor, name, query[name]).items():
            if column in cells and not (isinstance(cell, str) and cells[column] == cell):
                raise ConfigError(f"two inputs of the query read column '{column}': search by one of them alone.")
            cells[column] = cell
    vector = predictor.embed([cells], names)[0]
    for problem in predictor.problems.frame().to_dict("records"):
        told = f"the query for '{problem['column']}': {problem['reason']}."
        if problem["kind"] == "broken":
            raise DataError(told)
        say(told)
    if not vector.any():
        raise DataError(f"the query holds nothing that can be searched by in {', '.join(names)}.")
    return vector


def _cells(predictor: "Predictor", name: str, given: Any) -> dict[str, Any]:
    """A query's cells by column."""
    columns = predictor.readers[name].columns
    if isinstance(given, Mapping) and len(columns) > 1:
        for column in given:
            if column not in columns:
                raise ConfigError(f"input '{name}' reads no column '{column}'. {did_you_mean(column, columns)}")
        found = dict(given)
    elif len(columns) > 1:
        raise ConfigError(f"input '{name}' reads several columns ({', '.join(columns)}): give a dict of them.")
    else:
        found = {columns[0]: given}
    if all(is_missing(cell) for cell in found.values()):
        raise DataError(f"the query for '{name}' is empty. Give it something to search by.")
    return found
