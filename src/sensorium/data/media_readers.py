"""How cells that name pictures, recordings and clips are read, and how what they became is put together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.data.padding import pad
from sensorium.media import Limits

if TYPE_CHECKING:
    from sensorium.media.cache import Recipe

__all__ = ["AudioReader", "ImageReader", "MediaReader", "MotionReader", "VideoReader"]


class MediaReader:
    """A column of media files. `data.media_column.MediaColumn` does the reading.

    Args:
        column: its name.
        bag: the most files of one cell; above 1 the arrays get a dimension for them.
        limits: of one file.
        options: what `sensorium.media.decode` takes for this modality, saved with the run.
    """

    modality = ""
    dtype: Any = np.uint8

    def __init__(self, column: str, bag: int = 1, limits: Limits | None = None, **options: Any):
        self.columns, self.bag, self.options = (column,), bag, options
        self.limits = limits or Limits()

    @property
    def medium(self) -> str:
        """What its files are, for messages."""
        return self.modality

    @property
    def recipe(self) -> "Recipe":
        from sensorium.media.cache import Recipe  # here: who keeps nothing needs no LMDB

        return Recipe(self.modality, self.options, self.limits)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of what each file becomes; None where they differ."""
        return None

    def fit(self, rows: Any) -> None:
        """Nothing is learned from the rows: sizes and rates come from the configuration."""

    def collate(self, items: Sequence[list[np.ndarray] | None]) -> tuple[np.ndarray, np.ndarray]:
        """One array of a batch and its mask; a bag's dimension comes second, where there is one."""
        files = self.flat(items)
        values = np.zeros((len(files), *self.shape), dtype=self.dtype)
        for i, file in enumerate(files):
            if file is not None:
                values[i] = file
        return self.batch(values, np.array([file is not None for file in files]))

    def batch(self, values: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`collate` where the values (rows * bag, *shape) are put together already; there: (rows * bag,) bool."""
        return self.in_bags(values), self.in_bags(self.mask(there))

    def mask(self, there: np.ndarray) -> np.ndarray:
        """An encoder's mask for files that are there or not."""
        return there

    def flat(self, items: Sequence[list[np.ndarray] | None]) -> list[np.ndarray | None]:
        """The files of all rows, one after the other, each row filled up with None to `bag`."""
        found: list[np.ndarray | None] = []
        for item in items:
            files = (item or [])[: self.bag]
            found.extend([*files, *[None] * (self.bag - len(files))])
        return found

    def in_bags(self, values: np.ndarray) -> np.ndarray:
        """(rows * bag, ...) as (rows, bag, ...), where a bag can hold several."""
        return values if self.bag == 1 else values.reshape(-1, self.bag, *values.shape[1:])

    def state(self) -> dict[str, Any]:
        return {"column": self.columns[0], "bag": self.bag, **self.options}

    @classmethod
    def restore(cls, state: dict[str, Any], limits: Limits | None = None) -> "MediaReader":
        options = dict(state)
        return cls(options.pop("column"), options.pop("bag"), limits, **options)


class ImageReader(MediaReader):
    """Pictures, resized to one size. Options: size (height, width) in pixels; faces: blur, where they are to be."""

    modality = "image"

    def __init__(self, column: str, bag: int = 1, limits: Limits | None = None, **options: Any):
        super().__init__(column, bag, limits, **options)
        if "faces" in options:
            from sensorium.media.faces import opencv  # here: it is an extra

            opencv()  # refused now, not in every row

    @property
    def shape(self) -> tuple[int, ...]:
        return 3, *self.options["size"]


class AudioReader(MediaReader):
    """Recordings at one rate. Options: sample_rate in Hz, seconds kept of each at most."""

    modality = "audio"

    def collate(self, items: Sequence[list[np.ndarray] | None]) -> tuple[np.ndarray, np.ndarray]:
        values, mask = pad(self.flat(items), np.float32)  # (B, samples), (B, samples)
        return self.in_bags(values), self.in_bags(mask)


class VideoReader(MediaReader):
    """Clips, as frames evenly spaced in time. Options: frames, size (height, width) in pixels."""

    modality = "video"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.options["frames"], 3, *self.options["size"]

    def mask(self, there: np.ndarray) -> np.ndarray:
        return np.repeat(there[:, None], self.options["frames"], axis=1)  # (B, frames)


class MotionReader(MediaReader):
    """Clips, as motion and some pictures: a row of numbers each, see `sensorium.encoders.VideoMotion`.

    Options: steps, grid, pictures, size (height, width) in pixels.
    """

    modality = "motion"
    medium = "video"
    dtype = np.float16

    @property
    def shape(self) -> tuple[int, ...]:
        return (sum(self.lengths),)

    @property
    def lengths(self) -> tuple[int, int, int]:
        """How many of a row's numbers are motion, sizes of frames, and pictures."""
        steps, (height, width) = self.options["steps"], self.options["size"]
        return steps * 3 * self.options["grid"] ** 2, steps, self.options["pictures"] * 3 * height * width

    def parts(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A row as motion (steps, 3, grid, grid), sizes (steps,) and pictures (pictures, 3, H, W) from 0 to 1."""
        field, sizes, pictures = np.split(row.astype(np.float32), np.cumsum(self.lengths)[:2])
        grid = self.options["grid"]
        return field.reshape(-1, 3, grid, grid), sizes, pictures.reshape(-1, 3, *self.options["size"])
