"""Weights that a package ships as a pickle: opened without running its code, and kept as safetensors."""

import hashlib
import os
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sensorium.errors import ConfigError
from sensorium.media.cache import cache_folder

__all__ = ["converted_weights"]


def converted_weights(path: Path, name: str, convert: Callable[[Any], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of a package's file, converted once: then they are in the cache's folder, by the file's content.

    Args:
        path: of the file.
        name: of the model.
        convert: from what is in the file to weights by the names that they have here.

    Raises:
        ConfigError: the file is damaged, or of something else.
    """
    try:
        kept = cache_folder() / f"{name}-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.safetensors"
        try:
            return load_file(kept)
        except (FileNotFoundError, NotADirectoryError, SafetensorError):
            pass  # not there yet, or damaged
        weights = convert(torch.load(path, map_location="cpu", weights_only=True))  # runs no code
    except (OSError, RuntimeError, EOFError, AttributeError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise ConfigError(f"model '{name}': {path} can't be read. Install its package again.") from error
    half = kept.with_suffix(f".{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, half)
        half.replace(kept)
    except (OSError, SafetensorError):  # no room, or no right to write: it is converted again the next time
        with suppress(OSError):
            half.unlink()
    return weights
