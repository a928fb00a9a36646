import pandas as pd
import pytest

import sensorium as sm
from sensorium.data.schema import guess_schema
from sensorium.data.table import read_table
from sensorium.errors import DataError

SIMS = """video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode
video_0001,0001,我不想嫁给李茶,-1.0,-1.0,-0.4,-0.6,Negative,train
video_0001,0002,好的,0.4,0.0,0.2,0.6,Positive,train
video_0002,1,没有,0.0,0.0,0.0,0.0,Neutral,valid
video_0003,0009,走吧,0.2,0.2,0.0,0.0,Positive,test
"""
MOSI = """video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode
03bSnISJMiM,1,A LOT OF SAD PARTS,-2.4,,,,Negative,train
03bSnISJMiM,11,THERE IS SAD STUFF,-0.8,,,,Negative,test
"""


def make(folder, labels, *clips):
    folder.mkdir(exist_ok=True)
    (folder / "label.csv").write_text(labels)
    for clip in clips:
        path = folder / "Raw" / clip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def test_ch_sims(tmp_path):
    folder = make(tmp_path / "SIMS", SIMS, "video_0001/0001.mp4", "video_0001/0002.mp4", "video_0002/0001.mp4")
    said = []
    paths = sm.import_set("ch-sims", folder, say=said.append)
    cells = {split: pd.read_csv(path, keep_default_na=False).to_dict("records") for split, path in paths.items()}
    assert cells == {
        "train": [
            {"video": "Raw/video_0001/0001.mp4", "text": "我不想嫁给李茶", "label": -1.0},
            {"video": "Raw/video_0001/0002.mp4", "text": "好的", "label": 0.4},
        ],
        "valid": [{"video": "Raw/video_0002/0001.mp4", "text": "没有", "label": 0.0}],
        "test": [{"video": "", "text": "走吧", "label": 0.2}],
    }
    assert said[2:] == [
        f"{paths['test']}: 1 rows, 1 without video",
        "To learn: label. Left out, as other targets: label_T, label_A, label_V, annotation.",
    ]
    assert guess_schema(read_table(paths["train"])).columns["video"].modality == "video"


def test_several_targets_stay(tmp_path):
    paths = sm.import_set("ch-sims", make(tmp_path, SIMS), target=["annotation", "label_T"])
    assert list(read_table(paths["train"]).columns) == ["video", "text", "label_T", "annotation"]


def test_mosi_has_no_labels_of_one_input(tmp_path):
    said = []
    paths = sm.import_set("mosi", make(tmp_path, MOSI, "03bSnISJMiM/1.mp4"), say=said.append)
    assert list(paths) == ["train", "test"]
    assert list(read_table(paths["train"]).cells("video")) == ["Raw/03bSnISJMiM/1.mp4"]
    assert said[-1] == "To learn: label. Left out, as other targets: annotation."


def test_what_is_no_such_set_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"a set of MMSA \(ch-sims, mosi, mosei\): looked for label\.csv, Raw/VIDEO/CLIP\.mp4"
    ):
        sm.import_set("mosei", tmp_path)
    with pytest.raises(
        DataError, match=r"label\.csv row 2, column 'mode': unknown split 'tset'\. Did you mean 'test'\?"
    ):
        sm.import_set("mosi", make(tmp_path, MOSI.replace(",test", ",tset")))
