"""Heads: one vector a row -> outputs, a loss, predictions."""

from torch import nn

from sensorium.errors import ConfigError
from sensorium.heads.binary import Binary
from sensorium.heads.classification import Classification
from sensorium.heads.generation import Generation
from sensorium.heads.multilabel import Multilabel
from sensorium.heads.regression import Regression

__all__ = ["HEADS", "Binary", "Classification", "Generation", "Multilabel", "Regression", "add"]

HEADS: dict[str, type[nn.Module]] = {
    "binary": Binary,
    "classification": Classification,
    "generation": Generation,
    "multilabel": Multilabel,
    "regression": Regression,
}


def add(name: str, cls: type[nn.Module]) -> None:
    """Makes a head of yours available as `task: name`.

    Raises:
        ConfigError: the name is taken.

    Example:
        >>> add("yes_no", Binary)
        >>> HEADS.pop("yes_no").__name__
        'Binary'
    """
    if name in HEADS:
        raise ConfigError(
            f"head '{name}' must have a new name; got that of {HEADS[name].__name__}. "
            f"Taken: {', '.join(sorted(HEADS))}."
        )
    HEADS[name] = cls
