import pandas as pd
import pytest

import sensorium as sm
from sensorium.errors import DataError

HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
ROWS = """1,"Oh my God, he’s lost it.",Phoebe,sadness,negative,0,0,4,7,"00:20:57,256","00:21:00,049"
2,None,Monica,surprise,negative,0,1,4,7,"00:21:01,927","00:21:03,261"
"""


def make(folder, splits):
    for name, clips in splits.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + ROWS)
        for clip in clips:
            (folder / clip).parent.mkdir(parents=True, exist_ok=True)
            (folder / clip).write_bytes(b"x")
    return folder


def test_the_archives_as_they_unpack(tmp_path):
    folder = make(
        tmp_path / "MELD.Raw",
        {
            "train/train_sent_emo.csv": ["train/train_splits/dia0_utt0.mp4", "train/train_splits/dia0_utt1.mp4"],
            "dev_sent_emo.csv": ["dev/dev_splits_complete/dia0_utt0.mp4"],
            "test_sent_emo.csv": [
                "output_repeated_splits_test/dia0_utt1.mp4",
                "output_repeated_splits_test/final_videos_testdia0_utt0.mp4",
            ],
        },
    )
    said = []
    paths = sm.import_set("meld", folder, tmp_path / "tables", say=said.append)
    train = pd.read_csv(paths["train"], keep_default_na=False)
    assert list(train.columns) == ["video", "Utterance", "Speaker", "Emotion"]
    clips = "../MELD.Raw/train/train_splits"
    assert train.to_numpy().tolist() == [
        [f"{clips}/dia0_utt0.mp4", "Oh my God, he’s lost it.", "Phoebe", "sadness"],
        [f"{clips}/dia0_utt1.mp4", "None", "Monica", "surprise"],
    ]
    cells = {split: list(pd.read_csv(path, keep_default_na=False)["video"]) for split, path in paths.items()}
    assert cells["valid"] == ["../MELD.Raw/dev/dev_splits_complete/dia0_utt0.mp4", ""]
    assert cells["test"] == ["", "../MELD.Raw/output_repeated_splits_test/dia0_utt1.mp4"]
    assert said == [
        f"{paths['train']}: 2 rows",
        f"{paths['valid']}: 2 rows, 1 without video",
        f"{paths['test']}: 2 rows, 1 without video",
        "To learn: Emotion. Left out, as other targets: Sentiment.",
    ]


def test_the_tables_alone(tmp_path):
    said = []
    paths = sm.import_set("meld", make(tmp_path, {"dev_sent_emo.csv": []}), target="Sentiment", say=said.append)
    assert list(paths) == ["valid"]
    rows = pd.read_csv(paths["valid"], keep_default_na=False)
    assert list(rows["video"]) == ["", ""]
    assert list(rows["Sentiment"]) == ["negative", "negative"]
    assert said[0] == f"{paths['valid']}: 2 rows, 2 without video"


def test_what_is_no_meld_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"as meld: looked for train_sent_emo\.csv, dev_sent_emo\.csv, test_sent_emo\.csv; there"
    ):
        sm.import_set("meld", tmp_path)
    (tmp_path / "train_sent_emo.csv").write_text("Utterance,Emotion\nHi.,joy\n")
    with pytest.raises(
        DataError, match=r"train_sent_emo\.csv has no column 'Speaker'; looked for Utterance, Speaker, Emotion"
    ):
        sm.import_set("meld", tmp_path)
