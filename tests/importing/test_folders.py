import pandas as pd
import pytest
from PIL import Image

import sensorium as sm
from sensorium.data.schema import guess_schema
from sensorium.data.table import read_table
from sensorium.errors import DataError


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in {".png", ".JPEG"}:
            Image.new("RGB", (9, 9), (len(name), 0, 0)).save(path)
        else:
            path.write_bytes(b"x")
    return folder


def rows(path):
    return pd.read_csv(path, keep_default_na=False).to_dict("records")


def test_splits_as_of_imagenet(tmp_path):
    folder = make(
        tmp_path / "set", "train/cat/1.JPEG", "train/cat/inner/2.JPEG", "train/dog/1.JPEG", "val/dog/3.JPEG",
        "test/4.JPEG", "train/cat/.hidden.JPEG", "train/cat/notes.txt", "README.png",
    )  # fmt: skip
    said = []
    paths = sm.import_set("folders", folder, tmp_path / "tables", say=said.append)
    assert paths == {split: tmp_path / "tables" / f"{split}.csv" for split in ("train", "valid", "test")}
    assert rows(paths["train"]) == [
        {"image": "../set/train/cat/1.JPEG", "label": "cat"},
        {"image": "../set/train/cat/inner/2.JPEG", "label": "cat"},
        {"image": "../set/train/dog/1.JPEG", "label": "dog"},
    ]
    assert rows(paths["valid"]) == [{"image": "../set/val/dog/3.JPEG", "label": "dog"}]
    assert rows(paths["test"]) == [{"image": "../set/test/4.JPEG", "label": ""}]
    assert said == [
        f"{paths['train']}: 3 rows",
        f"{paths['valid']}: 1 rows",
        f"{paths['test']}: 1 rows",
        "test: 1 files lie in no class's folder; their label is empty.",
    ]
    schema = guess_schema(read_table(paths["train"]))
    assert (schema.columns["image"].modality, schema.columns["image"].facts["size"]) == ("image", [9, 9])


def test_one_folder_is_dealt_out_and_files_of_one_name_are_a_row(tmp_path):
    names = [
        f"{kind}/{number}.{ending}" for kind in ("bird", "car") for number in range(20) for ending in ("png", "wav")
    ]
    folder = make(tmp_path, *names, "car/20.png", "car/20.jpg")
    said = []
    paths = sm.import_set("folders", folder, say=said.append)
    found = {split: rows(path) for split, path in paths.items()}
    assert {split: len(cells) for split, cells in found.items()} == {"train": 34, "valid": 4, "test": 4}
    together = [row for cells in found.values() for row in cells]
    assert sorted(row["image"] for row in together) == sorted(
        name for name in [*names, "car/20.png", "car/20.jpg"] if ".wav" not in name
    )
    for row in together:
        assert row["label"] == row["image"].split("/")[0]
        assert row["audio"] == ("" if "/20." in row["image"] else row["image"].replace("png", "wav"))
    assert sum("2 without audio" in line or "1 without audio" in line for line in said) >= 1
    assert said[-1] == "The set has no splits: its rows were dealt out, each class in the same shares."


def test_a_class_may_be_called_train(tmp_path):
    folder = make(tmp_path, "train/1.png", "plane/2.png")
    paths = sm.import_set("folders", folder)
    assert {row["label"] for row in rows(paths["train"])} == {"train", "plane"}


@pytest.mark.parametrize("names", [["1.png", "2.png"], ["cat/notes.txt"], ["train/cat/notes.txt"]])
def test_a_folder_without_classes_is_refused(names, tmp_path):
    message = r"cannot read .* as folders: looked for train/CLASS/FILE \(pictures, .*, CLASS/FILE .*; there is none"
    with pytest.raises(DataError, match=message):
        sm.import_set("folders", make(tmp_path, *names))
