"""The run folder: weights in safetensors, all else JSON, YAML and CSV. Loading it runs no code from it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sensorium.data.table import write_atomically
from sensorium.errors import DataError
from sensorium.media.cache import content_digest

__all__ = ["FORMAT", "add_weights", "check_files", "read_json", "seal", "write_json"]

FORMAT = 1
SEALED = ("config.yaml", "schema.json", "inputs.json", "weights.safetensors")


def write_json(path: Path, data: Any) -> None:
    write_atomically(path, (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode())


def read_json(path: Path) -> Any:
    """A JSON file of a run.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path.parent} is no finished run: it has no {path.name}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged and can't be read. Restore it or fit again.") from error


def add_weights(digest: Any, weights: Mapping[str, Tensor]) -> None:
    """Take a module's weights, with their names, into a hash of hashlib's."""
    for name, value in weights.items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())


def seal(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file that answers depend on."""
    tokenizers = sorted((folder / "tokenizers").glob("*.json"))
    return {
        str(p.relative_to(folder)): content_digest(p).hex() for p in [*(folder / name for name in SEALED), *tokenizers]
    }


def check_files(folder: Path, sums: dict[str, str]) -> None:
    """Refuse a run whose files are not those that were saved.

    Raises:
        DataError: a file is missing or was changed.
    """
    if missing := sorted(set(SEALED) - set(sums)):
        raise DataError(f"{folder / 'run.json'} names no checksum for {', '.join(missing)}; the run can't be trusted.")
    for name, digest in sums.items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise DataError(f"{folder / 'run.json'} names '{name}', which is outside the run.")
        if not path.is_file():
            raise DataError(f"{folder} is not whole: {name} is missing.")
        if content_digest(path).hex() != digest:
            raise DataError(f"{path} is not the file that was saved (its checksum differs); it is not loaded.")
