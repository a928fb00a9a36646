import json

import pyarrow as pa
import pytest

import sensorium as sm
from sensorium.data.schema import guess_schema
from sensorium.data.table import read_table
from sensorium.errors import DataError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
FEATURES = {
    "image": {"_type": "Image"},
    "text": {"dtype": "string", "_type": "Value"},
    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    "tags": [{"dtype": "string", "_type": "Value"}],
}
SCHEMA = pa.schema(
    {
        "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "text": pa.string(),
        "label": pa.int64(),
        "tags": pa.list_(pa.string()),
    }
)


def row(number, label, path=None):
    picture = {"bytes": PNG if path is None else None, "path": path}
    return {"image": picture, "text": f"a picture, it is {number}", "label": label, "tags": ["new"]}


def save(place, files, order=None):
    """A split as `save_to_disk` of datasets 5.2 lays it out; with `order` as old versions did."""
    place.mkdir(parents=True)
    names = [f"data-{number:05}-of-{len(files):05}.arrow" for number in range(len(files))]
    for name, rows in zip(names, files, strict=True):
        with pa.ipc.new_stream(place / name, SCHEMA) as stream:
            stream.write_table(pa.Table.from_pylist(rows, SCHEMA))
    state = {"_data_files": [{"filename": name} for name in names], "_split": None}
    if order is not None:
        with pa.ipc.new_stream(place / "indices.arrow", pa.schema({"indices": pa.uint64()})) as stream:
            stream.write_table(pa.table({"indices": pa.array(order, pa.uint64())}))
        state["_indices_data_files"] = [{"filename": "indices.arrow"}]
    (place / "state.json").write_text(json.dumps(state))
    (place / "dataset_info.json").write_text(json.dumps({"features": FEATURES, "license": ""}))


def test_a_set_with_splits(tmp_path):
    there, folder = tmp_path / "there.png", tmp_path / "set"
    there.write_bytes(PNG)
    save(folder / "train", [[row(0, 1), row(1, 0)], [row(2, -1, path=str(there)), row(3, 1, path="/gone/3.png")]])
    save(folder / "validation", [[row(4, 0), row(5, 1), row(6, 1)]], order=[2, 0])
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    said = []
    paths = sm.import_set("hf", folder, tmp_path / "tables", say=said.append)
    assert [path.name for path in paths.values()] == ["train.parquet", "valid.parquet"]
    train, valid = (read_table(path) for path in paths.values())
    assert list(train.cells("label")) == ["dog", "cat", None, "dog"]
    picture = {"bytes": PNG, "path": None}
    assert list(train.cells("image")) == [picture, picture, {"bytes": None, "path": str(there)}, None]
    assert list(train.cells("tags")) == [["new"]] * 4
    assert list(valid.cells("text")) == ["a picture, it is 6", "a picture, it is 4"]
    assert said == [
        f"{paths['train']}: 4 rows",
        f"{paths['valid']}: 2 rows",
        "train: 1 files of 'image' are not there.",
    ]
    assert guess_schema(train).columns["image"].modality == "image"


def test_a_set_without_splits_is_dealt_out(tmp_path):
    save(tmp_path / "set", [[row(number, 0) for number in range(20)]])
    paths = sm.import_set("hf", tmp_path / "set", tmp_path / "tables")
    texts = {split: list(read_table(path).cells("text")) for split, path in paths.items()}
    assert {split: len(rows) for split, rows in texts.items()} == {"train": 16, "valid": 2, "test": 2}
    assert sorted(text for rows in texts.values() for text in rows) == sorted(
        f"a picture, it is {number}" for number in range(20)
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("state.json", b"{}", r"state\.json must be an object of JSON with '_data_files' in it"),
        ("state.json", b"{", r"cannot read .*state\.json as JSON: "),
        ("state.json", None, "looked for dataset_dict.json, state.json; there is none"),
        ("dataset_info.json", None, r"cannot read .*dataset_info\.json as JSON: .*No such file"),
        ("data-00000-of-00001.arrow", b"no", r"cannot read .*data-00000-of-00001\.arrow as a stream of Arrow: "),
        ("data-00000-of-00001.arrow", None, r"data-00000-of-00001\.arrow as a stream of Arrow: .*No such file"),
    ],
)
def test_a_damaged_set_is_refused(name, content, message, tmp_path):
    save(tmp_path / "set", [[row(0, 1)]])
    if content is None:
        (tmp_path / "set" / name).unlink()
    else:
        (tmp_path / "set" / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        sm.import_set("hf", tmp_path / "set", tmp_path / "tables")


def test_a_split_without_rows_is_refused(tmp_path):
    save(tmp_path / "set", [[]])
    with pytest.raises(DataError, match="set has no rows"):
        sm.import_set("hf", tmp_path / "set")
