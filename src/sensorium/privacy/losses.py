"""What a run loses on rows whose truth is known: what attacks on it look at."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sensorium.data.table import Table
from sensorium.data.targets import CLASSED
from sensorium.errors import ConfigError

if TYPE_CHECKING:
    from sensorium.predictor import Predictor

__all__ = ["confidences", "row_losses"]

LEAST = 1e-12  # probability


def row_losses(
    predictor: "Predictor", table: Table, say: Callable[[str], None]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By target, the loss of each row (N,) and which rows have a known truth (N,) bool.

    Of classes the negative log of the true one's probability, of labels the mean of all, of numbers the squared error in
    the target's deviations.

    Raises:
        ConfigError: a target is a text.
        DataError: no row has a known truth.
    """
    writers = [name for name, coder in predictor.coders.items() if coder.task == "generation"]
    if writers:
        raise ConfigError(f"target '{writers[0]}' is a text: attacks on targets of texts are not there.")
    coded, _ = predictor._labelled(table, say)
    outputs = predictor._outputs(table, say)
    found = {}
    for name, coder in predictor.coders.items():
        truth, mask = coded[name]
        output = outputs[name].astype(np.float64)
        if coder.task in CLASSED:
            losses = -np.log(np.clip(output[np.arange(len(truth)), truth.astype(int)], LEAST, 1))
        elif coder.task == "multilabel":
            right = np.where(truth > 0.5, output, 1 - output)
            losses = -np.log(np.clip(right, LEAST, 1)).mean(1)
        else:
            losses = (output.reshape(len(truth), -1)[:, 0] - truth) ** 2
        found[name] = (losses, mask)
    return found


def confidences(losses: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) of the true class, from its loss: its distribution over models is near a Gaussian's."""
    return -losses - np.log(np.clip(-np.expm1(-losses), LEAST, 1))
