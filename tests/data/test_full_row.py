"""A row that holds as much as the readers can: shapes and masks of every kind."""

import numpy as np
import pytest
import torch

from sensorium.data.full_row import full_row
from sensorium.data.media_readers import AudioReader, ImageReader, MotionReader, VideoReader
from sensorium.data.tabular import TabularReader, VectorReader
from sensorium.data.text import TextReader


def fitted(reader, *cells):
    reader.fit([[cell] if not isinstance(cell, tuple) else cell for cell in cells])
    return reader


READERS = {
    "image": (ImageReader("i", size=(8, 6)), (1, 3, 8, 6), 1),
    "images": (ImageReader("i", bag=3, size=(8, 6)), (1, 3, 3, 8, 6), 2),
    "audio": (AudioReader("a", sample_rate=100, seconds=1.5), (1, 150), 2),
    "recordings": (AudioReader("a", bag=2, sample_rate=100, seconds=1.5), (1, 2, 150), 3),
    "video": (VideoReader("v", frames=4, size=(8, 6)), (1, 4, 3, 8, 6), 2),
    "motion": (MotionReader("v", steps=4, grid=2, pictures=1, size=(8, 6)), (1, 4 * 3 * 4 + 4 + 3 * 48), 1),
    "text": (fitted(TextReader("t", max_tokens=11), "one two three", "four"), (1, 11), 2),
    "vector": (fitted(VectorReader("p"), "[1, 2, 3]", "[2, 3, 5]"), (1, 3), 1),
    "tabular": (
        fitted(TabularReader({"n": "numeric", "c": "categorical", "m": "numeric"}), ("1", "x", "2"), ("2", "y", "4")),
        (1, 3),
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", READERS)
def test_nothing_of_it_is_missing(kind):
    reader, shape, dims = READERS[kind]
    (given,) = full_row({"x": reader}).values()
    assert tuple(given.values.shape) == shape
    assert given.mask.dtype == torch.bool
    assert tuple(given.mask.shape) == shape[:dims]
    assert given.mask.all()
    assert given.known is None


def test_it_is_as_a_reader_makes_it():
    for kind in ("text", "vector", "tabular"):
        reader, *_ = READERS[kind]
        cells = {"text": ["one " * 20], "vector": ["[1, 1, 1]"], "tabular": ["1", "x", "3"]}[kind]
        values, mask = reader.collate([reader.read(cells, lambda *_: None)])
        (given,) = full_row({"x": reader}).values()
        assert given.values.numpy().dtype == values.dtype
        assert given.values.shape == values.shape
        np.testing.assert_array_equal(given.mask.numpy(), mask)
