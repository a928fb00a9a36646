import io

import numpy as np
import pytest
from PIL import Image

import sensorium as sm
from sensorium.data.schema import guess_schema
from sensorium.data.table import read_table
from sensorium.errors import DataError


def save(folder, name, array):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def make(folder, rows=24):
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", rows), ("test", 5)):
        image = random.integers(0, 256, (count, 28 * 28)).astype(np.float64)
        audio = random.integers(0, 256, (count, 112, 112)).astype(np.uint8)
        label = random.integers(0, 10, count).astype(np.float64)
        arrays[split] = image, audio, label
        save(folder, f"image/{split}_data.npy", image)
        save(folder, f"audio/{split}_data.npy", audio)
        save(folder, f"{split}_labels.npy", label)
    return arrays


def pictures(table, column):
    return np.stack([np.asarray(Image.open(io.BytesIO(cell))) for cell in table.cells(column)])


def test_arrays_become_pictures_of_the_same_values(tmp_path):
    arrays = make(tmp_path / "avmnist")
    said = []
    paths = sm.import_set("av-mnist", tmp_path / "avmnist", tmp_path / "tables", say=said.append)
    assert [path.name for path in paths.values()] == ["train.parquet", "valid.parquet", "test.parquet"]
    assert said[0] == f"{paths['train']}: 22 rows"  # the last twelfth validates
    image, audio, label = arrays["train"]
    for split, rows, (image, audio, label) in (
        ("train", slice(0, 22), arrays["train"]),
        ("valid", slice(22, 24), arrays["train"]),
        ("test", slice(0, 5), arrays["test"]),
    ):
        table = read_table(paths[split])
        assert (pictures(table, "image") == image.reshape(-1, 28, 28)[rows]).all()
        assert (pictures(table, "spectrogram") == audio[rows]).all()
        assert list(table.cells("label")) == label[rows].tolist()
    schema = guess_schema(read_table(paths["train"]))
    assert [schema.columns[name].modality for name in ("image", "spectrogram")] == ["image", "image"]
    assert schema.columns["spectrogram"].facts["size"] == [112, 112]


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("image/train_data.npy", np.zeros((24, 28, 28)), "must hold values from 0 to 255; they go from 0 to 0"),
        ("audio/test_data.npy", np.full((5, 4, 4), 256), "must hold values from 0 to 255; they go from 256 to 256"),
        (
            "image/train_data.npy",
            np.zeros((24, 10)),
            r"must hold pictures, rows x height x width; its shape is \(24, 10\)",
        ),
        ("test_labels.npy", np.zeros(4), r"same number of rows; they have image/test_data.npy 5, .* test_labels.npy 4"),
        ("train_labels.npy", np.array([{}]), "train_labels.npy as an array of numbers: .* Python objects"),
    ],
)
def test_other_arrays_are_refused(name, array, message, tmp_path):
    make(tmp_path)
    save(tmp_path, name, array)
    with pytest.raises(DataError, match=message):
        sm.import_set("av-mnist", tmp_path)


def test_what_is_not_there_is_named(tmp_path):
    make(tmp_path)
    (tmp_path / "train_labels.npy").unlink()
    with pytest.raises(DataError, match=r"as av-mnist: looked for train_labels\.npy; there is none"):
        sm.import_set("av-mnist", tmp_path)
