import pyarrow as pa
import pytest

from sensorium.data.schema import guess_schema
from sensorium.data.table import read_table
from sensorium.errors import DataError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


class Feature:
    """Of another kind than classes."""


class ClassLabel:
    names = ("cat", "dog")


class Dataset:
    """What `read_table` uses of `datasets.Dataset`, as version 5.2 answers."""

    def __init__(self, rows, kind=None):
        self.rows, self.kind = rows, kind
        self.features = {"image": Feature(), "label": ClassLabel()}

    def __len__(self):
        return len(self.rows)

    def with_format(self, kind):
        return Dataset(self.rows, kind)

    def __getitem__(self, rows):
        assert self.kind == "arrow"
        picture = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        return pa.Table.from_pylist(self.rows[rows], pa.schema({"image": picture, "label": pa.int64()}))


ROWS = [{"image": {"bytes": PNG, "path": "a.png"}, "label": label} for label in (1, 0, -1, None)]


def test_a_dataset_is_a_table_with_its_media_and_the_names_of_its_classes():
    table = read_table(Dataset(ROWS))
    assert list(table.cells("label")) == ["dog", "cat", None, None]
    assert list(table.cells("image")) == [row["image"] for row in ROWS]
    assert guess_schema(table).columns["image"].modality == "image"


def test_all_splits_at_once_are_no_table():
    message = r"a table must be one split of a set; got all of them \(train, test\)\. Give one: set\['train'\]\."
    with pytest.raises(DataError, match=message):
        read_table({"train": Dataset(ROWS), "test": Dataset(ROWS)})
