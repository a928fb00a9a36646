"""What a run is known by."""

import hashlib
import json
from typing import TYPE_CHECKING

from sensorium.config import dump_config
from sensorium.export.archive import add_weights

if TYPE_CHECKING:
    from sensorium.predictor import Predictor

__all__ = ["run_digest"]


def run_digest(predictor: "Predictor") -> str:
    """SHA-256 of all that a row's vector depends on: configuration, what the readers learned, weights.

    It is the same before a run is saved and after it is loaded.
    """
    states = {name: reader.state() for name, reader in predictor.readers.items()}
    digest = hashlib.sha256(dump_config(predictor.config).encode())
    digest.update(json.dumps(states, sort_keys=True).encode())
    add_weights(digest, predictor.model.state_dict())
    return digest.hexdigest()
