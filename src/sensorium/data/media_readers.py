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

Note = Callable[[str, str], None]  # kind of problem, reason


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

    def decode(self, source: Any, note: Note) -> np.ndarray:
        raise NotImplementedError

    def read(self, cells: Sequence[Any], resolve: Callable[[Any], Any], note: Note) -> list[np.ndarray] | None:
        """The files of a cell, decoded; None where there are none. What can't be read is noted and left out."""
        (cell,) = cells
        files = split_bag(cell)
        found = []
        for item in files[: self.bag]:
            try:
                found.append(self.decode(resolve(item), note))
            except MediaError as error:
                note("broken", f"cannot read {named(item)} as {self.modality}: {error}")
        if len(files) > self.bag:
            note("cut", f"it names {len(files)} files, and at most {self.bag} were in a training row")
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
    def restore(cls, state: dict[str, Any], limits: Limits | None = None) -> "MediaReader":
        options = dict(state)
        return cls(options.pop("column"), options.pop("bag"), limits, **options)


def named(item: Any) -> str:
    """A media item in a message: its path, or what it is."""
    return str(item) if isinstance(item, str | os.PathLike) else f"{type(item).__name__} in memory"


class ImageReader(MediaReader):
    """Pictures, resized to one size. Options: size (height, width) in pixels."""

    modality = "image"

    def decode(self, source: Any, note: Note) -> np.ndarray:
        return read_image(source, tuple(self.options["size"]), self.limits)

    def stack(self, files: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        empty = np.zeros((3, *self.options["size"]), dtype=np.uint8)
        mask = np.array([file is not None for file in files])
        return np.stack([empty if file is None else file for file in files]), mask  # (B, 3, H, W), (B,)


class AudioReader(MediaReader):
    """Recordings at one rate. Options: sample_rate in Hz, seconds kept of each at most."""

    modality = "audio"

    def decode(self, source: Any, note: Note) -> np.ndarray:
        rate, seconds = self.options["sample_rate"], self.options["seconds"]
        wave = read_audio(source, rate, None if seconds is None else seconds + 1 / rate, self.limits)
        if seconds is not None and len(wave) > (most := max(1, int(seconds * rate))):
            note("cut", f"the recording is longer than {seconds:g} s")
            wave = wave[:most]
        return wave

    def stack(self, files: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        return pad(files, np.float32)  # (B, samples), (B, samples)


class VideoReader(MediaReader):
    """Clips, as frames evenly spaced in time. Options: frames, size (height, width) in pixels."""

    modality = "video"

    def decode(self, source: Any, note: Note) -> np.ndarray:
        return read_video(source, self.options["frames"], tuple(self.options["size"]), self.limits)

    def stack(self, files: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        empty = np.zeros((self.options["frames"], 3, *self.options["size"]), dtype=np.uint8)
        mask = np.array([file is not None for file in files])
        values = np.stack([empty if file is None else file for file in files])  # (B, frames, 3, H, W)
        return values, np.repeat(mask[:, None], self.options["frames"], axis=1)
