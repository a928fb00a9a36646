"""What inside one input counted."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Part"]


@dataclass(frozen=True)
class Part:
    """What each piece of one input of a row adds to an answer.

    Args:
        modality: the input's name.
        kind: image, text, audio, video, motion, tabular or vector.
        method: how the values were found; see `sensorium.explain.parts.METHODS`.
        values: of the pieces. image: (items, H, W). text: (words,). audio: (items, frames, bands) over each recording,
            one band where frequencies are not told apart. video: (items, frames, H, W). motion: (items, numbers), as
            `MotionReader.parts` splits them. tabular: (columns,). vector: (size,). Items are the files of a cell.
        labels: the words, or the columns' names; None: the pieces have none.
        expected: what the values should add up to: the answer's change where all pieces are replaced by nothing in
            particular; None: the method promises no sum.
        beside: what the linear part of hand-made features says for this input that no piece was given.
        shown: what `html` needs of the input itself.
    """

    modality: str
    kind: str
    method: str
    values: np.ndarray
    labels: list[str] | None = None
    expected: float | None = None
    beside: float = 0.0
    shown: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def total(self) -> float:
        """The sum of the values."""
        return float(self.values.sum(dtype="float64"))

    @property
    def complete(self) -> bool | None:
        """Whether the values add up to what is expected, to 5 % or 0.02; None where nothing is."""
        return (
            None if self.expected is None else abs(self.total - self.expected) <= max(0.05 * abs(self.expected), 0.02)
        )

    def html(self, language: str = "en") -> str:
        """A piece of a page, in en or zh, that shows what counted; needs `drawing.style.STYLE` once a page."""
        from sensorium.explain.drawing import draw

        return draw(self, language)
