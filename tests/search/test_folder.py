"""An index on disk: nothing that was changed is opened."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save

from sensorium.data.table import write_atomically
from sensorium.errors import DataError
from sensorium.media.cache import content_digest
from sensorium.search.folder import Stored, read_folder, write_folder

ROWS = pd.DataFrame({"row": [1, 3], "note": ["red", ""]})


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "index", Stored("abc", ("note",), ROWS, np.eye(2, dtype=np.float32), b"graph"))
    return tmp_path / "index"


def change(folder, **facts):
    head = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**head, **facts}))


def replace(folder, name, content):
    """Another file in the place of one, with its own checksum: as somebody else would."""
    write_atomically(folder / name, content)
    head = json.loads((folder / "index.json").read_text())
    change(folder, files={**head["files"], name: content_digest(content).hex()})


def test_it_comes_back_as_it_was(folder):
    found = read_folder(folder)
    assert (found.run, found.inputs, found.graph) == ("abc", ("note",), b"graph")
    pd.testing.assert_frame_equal(found.rows.astype(object), ROWS.astype(object))
    np.testing.assert_array_equal(found.vectors, np.eye(2))


@pytest.mark.parametrize("name", ["vectors.safetensors", "rows.parquet", "graph.usearch"])
def test_a_changed_file_is_not_opened(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} is not the file that was saved \(its checksum differs\)"):
        read_folder(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"index is not whole: {name} is missing."):
        read_folder(folder)


def test_without_its_head_it_is_no_index(folder):
    (folder / "index.json").unlink()
    with pytest.raises(DataError, match=r"is no index: it has no index.json. Make one with `sensorium index RUN TABLE"):
        read_folder(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', '{"format": 1, "files": {}, "inputs": ["note"]}'])
def test_a_damaged_head_is_told(folder, text):
    (folder / "index.json").write_text(text)
    with pytest.raises(DataError, match=r"index.json is damaged and can't be read. Make the index again."):
        read_folder(folder)


def test_another_format_is_told(folder):
    change(folder, format=2)
    with pytest.raises(DataError, match=r"index has the format 2; this sensorium reads format 1."):
        read_folder(folder)


def test_a_file_outside_the_folder_is_not_opened(folder):
    head = json.loads((folder / "index.json").read_text())
    change(folder, files={**head["files"], "../secret": "00"})
    with pytest.raises(DataError, match=r"index.json is damaged"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vectors.safetensors", b"no tensors"),
        ("vectors.safetensors", save({"others": np.eye(2, dtype=np.float32)})),
        ("vectors.safetensors", save({"vectors": np.eye(3, dtype=np.float32)})),
        ("vectors.safetensors", save({"vectors": np.eye(2)})),
        ("vectors.safetensors", save({"vectors": np.full((2, 2), np.nan, dtype=np.float32)})),
        ("vectors.safetensors", save({"vectors": np.ones(2, dtype=np.float32)})),
        ("rows.parquet", b"no table"),
    ],
)
def test_files_that_are_no_index_are_told(folder, name, content):
    replace(folder, name, content)
    with pytest.raises(DataError, match=r"index is damaged and can't be read. Make the index again."):
        read_folder(folder)
