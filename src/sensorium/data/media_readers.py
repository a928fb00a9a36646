"""Cells that name pictures, recordings and clips to arrays."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sensorium.data.cells import split_bag
from sensorium.data.text import pad
from sensorium.errors import MediaError
from sensorium.media import Limits, read_audio, read_image, read_video

__all__ = ["AudioReader", "ImageReader", "VideoReader"]


class MediaReader:
    """A column of media files; what one file becomes is the subclass's `decode`.

    Args:
        column: its name.
        bag: the most files of one cell; above 1 the arrays get a dimension for them.
        limits: of one file.
        options: what `decode` needs, saved with the run.
    """

    modality = ""

    def __init__(self, column: str, bag: int = 1, limits: Limits | None = None, **options: Any):
        self.columns, self.bag, self.options = (column,), bag, options
        self.limits = limits or Limits()

    def fit(self, rows: Sequence[Sequence[Any]]) -> None:
        """Nothing is learned from the rows: sizes and rates come from the configuration."""

    def decode(self, source: Any) -> np.ndarray:
        raise NotImplementedError

    def read(self, cells: Sequence[Any], resolve: Callable[[Any], Any]) -> list[np.ndarray] | None:
        """The files of a cell, decoded; None where it names none.

        Raises:
            PartlyBroken: a file can't be read; those that can are in its `found`.
        """
        (cell,) = cells
        found, faults = [], []
        for item in split_bag(cell)[: self.bag]:
            try:
                found.append(self.decode(resolve(item)))
            except MediaError as error:
                faults.append(f"cannot read {named(item)} as {self.modality}: {error}")
        if faults:
            raise PartlyBroken("; ".join(faults), found)
        return found or None

    def collate(self, items: Sequence[list[np.ndarray] | None]) -> tuple[np.ndarray, np.ndarray]:
        """One array of a batch and its mask; a bag's dimension comes second, where there is one."""
        flat: list[np.ndarray | None] = []
        for item in items:
            files = item or []
            flat.extend([*files[: self.bag], *[None] * (self.bag - len(files))])
        values, mask = self.stack(flat)
        if self.bag > 1:
            values = values.reshape(len(items), self.bag, *values.shape[1:])
            mask = mask.reshape(len(items), self.bag, *mask.shape[1:])
        return values, mask

    def stack(self, files: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        return {"column": self.columns[0], "bag": self.bag, **self.options}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "MediaReader":
        options = dict(state)
        return cls(options.pop("column"), options.pop("bag"), **options)


class PartlyBroken(MediaError):
    """Some files of a cell can't be read; `found` holds those that can."""

    def __init__(self, reason: str, found: list[np.ndarray]):
        super().__init__(reason)
        self.found = found


def named(item: Any) -> str:
    """A media item in a message: its path, or what it is."""
    return str(item) if isinstance(item, str | os.PathLike) else f"{type(item).__name__} in memory"


class ImageReader(MediaReader):
    """Pictures, resized to one size. Options: size (height, width) in pixels."""

    modality = "image"

    def decode(self, source: Any) -> np.ndarray:
        return read_image(source, tuple(self.options["size"]), self.limits)

    def stack(self, files: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        empty = np.zeros((3, *self.options["size"]), dtype=np.uint8)
        mask = np.array([file is not None for file in files])
        return np.stack([empty if file is None else file for file in files]), mask  # (B, 3, H, W), (B,)


class AudioReader(MediaReader):
    """Recordings at one rate. Options: sample_rate in Hz, seconds kept of each at most."""

    modality = "audio"

    def decode(self, source: Any) -> np.ndarray:
        return read_audio(source, self.options["sample_rate"], self.options["seconds"], self.limits)

    def stack(self, files: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        return pad(files, np.float32)  # (B, samples), (B, samples)


class VideoReader(MediaReader):
    """Clips, as frames evenly spaced in time. Options: frames, size (height, width) in pixels."""

    modality = "video"

    def decode(self, source: Any) -> np.ndarray:
        return read_video(source, self.options["frames"], tuple(self.options["size"]), self.limits)

    def stack(self, files: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        empty = np.zeros((self.options["frames"], 3, *self.options["size"]), dtype=np.uint8)
        mask = np.array([file is not None for file in files])
        values = np.stack([empty if file is None else file for file in files])  # (B, frames, 3, H, W)
        return values, np.repeat(mask[:, None], self.options["frames"], axis=1)
