"""One input of an exported graph: from the cells of some rows to its two arrays."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.cells import locate, split_bag
from sensorium.errors import DataError, MediaError, did_you_mean

__all__ = ["KINDS", "GraphInput", "restore_reader"]

Note = Callable[[int, str, str], None]  # place of a row, kind of problem, reason

# Where each kind's reader is: imported when there is such an input, since each needs other packages.
KINDS = {
    "audio": ("sensorium.data.media_readers", "AudioReader"),
    "image": ("sensorium.data.media_readers", "ImageReader"),
    "motion": ("sensorium.data.media_readers", "MotionReader"),
    "tabular": ("sensorium.data.tabular", "TabularReader"),
    "text": ("sensorium.data.text", "TextReader"),
    "vector": ("sensorium.data.tabular", "VectorReader"),
    "video": ("sensorium.data.media_readers", "VideoReader"),
}


def restore_reader(told: dict[str, Any]) -> Any:
    """The reader of an input of model.json.

    Raises:
        DataError: an unknown kind.
    """
    import importlib

    if told["kind"] not in KINDS:
        raise DataError(f"model.json: unknown kind of input '{told['kind']}'. {did_you_mean(told['kind'], KINDS)}")
    home, name = KINDS[told["kind"]]
    cls = getattr(importlib.import_module(home), name)
    if "limits" not in told:
        return cls.restore(told["state"])
    from sensorium.media.limits import Limits

    return cls.restore(told["state"], limits=Limits(**told["limits"]))


class GraphInput:
    """What the graph calls an input, and the reader of its columns.

    Args:
        told: of the input, in model.json.
    """

    def __init__(self, told: dict[str, Any]):
        self.values, self.mask, self.least = told["values"], told["mask"], told["least"]
        self.reader = restore_reader(told)
        self.columns: tuple[str, ...] = self.reader.columns
        self.of_files = "limits" in told

    def read(self, rows: Sequence[Sequence[Any]], root: Path, note: Note) -> dict[str, np.ndarray]:
        """The input's arrays by their names in the graph; `rows`: the cells of its columns, a row each."""
        items = [
            self._files(cells[0], root, place, note) if self.of_files else self._value(cells, place, note)
            for place, cells in enumerate(rows)
        ]
        values, mask = self.reader.collate(items)
        return {self.values: self._long_enough(values), self.mask: self._long_enough(mask)}

    def _value(self, cells: Sequence[Any], place: int, note: Note) -> Any:
        return self.reader.read(cells, lambda kind, reason: note(place, kind, reason))

    def _files(self, cell: Any, root: Path, place: int, note: Note) -> list[np.ndarray] | None:
        from sensorium.media.decode import decode

        reader, found = self.reader, []
        items = split_bag(cell)
        if len(items) > reader.bag:
            note(place, "cut", f"it names {len(items)} files, and at most {reader.bag} were in a training row")
        for item in items[: reader.bag]:
            try:
                decoded = decode(reader.modality, locate(item, root), reader.options, reader.limits)
            except (MediaError, OSError) as error:
                what = item if isinstance(item, str) else type(item).__name__
                note(place, "broken", f"cannot read {what} as {reader.medium}: {error}")
                continue
            for kind, reason in decoded.notes:
                note(place, kind, reason)
            found.append(decoded.values)
        return found or None

    def _long_enough(self, part: np.ndarray) -> np.ndarray:
        """With zeros behind rows that are shorter than the graph takes; they are masked."""
        more = self.least - part.shape[-1] if self.least else 0
        return part if more <= 0 else np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, more)])
