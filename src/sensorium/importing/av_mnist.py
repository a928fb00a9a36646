"""AV-MNIST as MultiBench has it: image/ and audio/ with an array a split, and the labels beside them."""

import io
from collections.abc import Iterator
from math import isqrt
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from sensorium.errors import DataError
from sensorium.importing.found import Found, not_found

__all__ = ["read_av_mnist"]

FILES = {"image": "image/{}_data.npy", "spectrogram": "audio/{}_data.npy", "label": "{}_labels.npy"}
VALID = 12  # the last twelfth of the training rows validates: MultiBench's last 5,000 of 60,000
PART = 1000


def read_av_mnist(folder: Path, seed: int) -> Found:
    """Pictures of 28 x 28 pixels and spectrograms of 112 x 112, from 0 to 255, as PNG in the tables themselves.

    A file a cell would be 140,000 files. The splits are MultiBench's.

    Reference: Vielzeuf et al. 2018, CentralNet (arXiv:1808.07275); Liang et al. 2021, MultiBench
    (arXiv:2107.07502), datasets/avmnist/get_data.py.
    """
    wanted = [name.format(split) for split in ("train", "test") for name in FILES.values()]
    if lost := [name for name in wanted if not (folder / name).is_file()]:
        raise not_found(folder, "av-mnist", lost)
    train, test = _arrays(folder, "train"), _arrays(folder, "test")
    rows = len(train["label"])
    cut = rows - rows // VALID
    tables = {"train": _parts(train, 0, cut), "test": _parts(test, 0, len(test["label"]))}
    if cut < rows:
        tables["valid"] = _parts(train, cut, rows)
    return Found(tables, ("label",))


def _arrays(folder: Path, split: str) -> dict[str, np.ndarray]:
    arrays = {}
    for column, name in FILES.items():
        path = folder / name.format(split)
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise DataError(f"cannot read {path} as an array of numbers: {error}") from error
        if column != "label":
            if array.ndim == 2 and isqrt(array.shape[1]) ** 2 == array.shape[1]:
                array = array.reshape(len(array), isqrt(array.shape[1]), -1)  # (N, H * W) -> (N, H, W)
            if array.ndim != 3:
                raise DataError(f"{path} must hold pictures, rows x height x width; its shape is {array.shape}.")
            low, high = float(array.min()), float(array.max())
            if low < 0 or high > 255 or (high <= 1 and array.dtype.kind == "f"):
                raise DataError(f"{path} must hold values from 0 to 255; they go from {low:g} to {high:g}.")
        arrays[column] = array
    lengths = {column: len(array) for column, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{FILES[column].format(split)} {length}" for column, length in lengths.items())
        raise DataError(f"{folder}: the arrays of {split} must have the same number of rows; they have {listed}.")
    return arrays


def _parts(arrays: dict[str, np.ndarray], start: int, stop: int) -> Iterator[pa.Table]:
    for first in range(start, stop, PART):
        rows = slice(first, min(first + PART, stop))
        pictures = {name: [_png(picture) for picture in arrays[name][rows]] for name in ("image", "spectrogram")}
        yield pa.table({**pictures, "label": np.asarray(arrays["label"][rows], dtype=np.int64)})


def _png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.rint(picture).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()
