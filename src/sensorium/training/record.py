"""What any training begins with, and what it leaves to be gone on with and to be known by."""

import platform
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sensorium.config import Training
from sensorium.data.batches import Rows
from sensorium.data.problems import Problems
from sensorium.export.archive import read_json, write_json

__all__ = ["begin", "kept_precision", "run_record"]

VERSIONS = ("sensorium", "torch", "lightning", "numpy", "pandas", "pillow", "av", "soundfile", "soxr", "tokenizers")


def begin(options: Training) -> None:
    """Seed and threads."""
    torch.manual_seed(options.seed)
    if options.threads is not None:
        torch.set_num_threads(options.threads)


def kept_precision(folder: Path, resume: bool, measured: Callable[[], str]) -> str:
    """The precision of a training with checkpoints in `folder`: where it is resumed, what it began with.

    Else the folder is emptied, and what `measured` gives is kept in it.
    """
    state = folder / "state.json"
    if resume and state.exists():
        return read_json(state)["precision"]
    shutil.rmtree(folder, ignore_errors=True)
    precision = measured()
    write_json(state, {"precision": precision})
    return precision


def run_record(seed: int, precision: str, rows: Rows, valid: Rows, problems: Problems) -> dict[str, Any]:
    """What run.json says of a training beside its checksums."""
    return {
        "seed": seed,
        "precision": precision,
        "rows": {"train": len(rows), "valid": len(valid)},
        "problems": len(problems.found),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
    }
