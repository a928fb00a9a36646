import json

import pandas as pd
import pytest

import sensorium as sm
from sensorium.errors import DataError


def make(folder, splits, pictures=()):
    (folder / "img").mkdir(parents=True, exist_ok=True)
    for name in pictures:
        (folder / "img" / name).write_bytes(b"x")
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def meme(number, **label):
    return {"id": number, "img": f"img/{number}.png", "text": "its their character", **label}


def test_the_first_phase(tmp_path):
    splits = {
        "train": [meme("42953", label=0), meme("01234", label=1)],
        "dev": [meme("08291", label=1)],
        "test": [meme("16395")],
    }
    folder = make(tmp_path / "data", splits, ["42953.png", "01234.png", "16395.png"])
    said = []
    paths = sm.import_set("hateful-memes", folder, tmp_path / "t", say=said.append)
    cells = {
        split: pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records") for split, path in paths.items()
    }
    assert cells == {
        "train": [
            {"img": "../data/img/42953.png", "text": "its their character", "label": "0"},
            {"img": "../data/img/01234.png", "text": "its their character", "label": "1"},
        ],
        "valid": [{"img": "", "text": "its their character", "label": "1"}],
        "test": [{"img": "../data/img/16395.png", "text": "its their character", "label": ""}],
    }
    assert said[1] == f"{paths['valid']}: 1 rows, 1 without img"
    assert said[-1] == "test: test.jsonl has no labels."


def test_the_second_phase(tmp_path):
    names = ("train", "dev_seen", "dev_unseen", "test_seen", "test_unseen")
    paths = sm.import_set("hateful-memes", make(tmp_path, {name: [meme("1", label=1)] for name in names}))
    assert [path.name for path in paths.values()] == [
        f"{n}.csv" for n in ("train", "valid", "test", "dev_unseen", "test_unseen")
    ]


def test_a_picture_outside_of_the_folder_is_no_error(tmp_path):
    rows = [{"img": str(tmp_path / "far.png"), "text": "a", "label": 1}]
    (tmp_path / "far.png").write_bytes(b"x")
    paths = sm.import_set("hateful-memes", make(tmp_path / "data", {"train": rows}))
    assert list(pd.read_csv(paths["train"])["img"]) == ["../far.png"]


def test_what_are_no_memes_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"as hateful-memes: looked for train\.jsonl, dev\.jsonl, test\.jsonl, img/; there is none"
    ):
        sm.import_set("hateful-memes", tmp_path)
    with pytest.raises(DataError, match=r"train\.jsonl has no column 'img'; looked for img, text, label"):
        sm.import_set("hateful-memes", make(tmp_path, {"train": [{"text": "a", "label": 1}]}))
