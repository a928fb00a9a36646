"""`sensorium import`, as a user types it."""

import json

import pandas as pd

from sensorium.importing import LAYOUTS


def make(folder):
    for name in ("s1/bbaf2n.mpg", "s1/lwbsza.mpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_tables_are_made_and_named(sensorium, tmp_path):
    folder = make(tmp_path / "grid")
    code, out, err = sensorium("import", "grid", folder, "--target", "digit", "--target", "words", "--out", tmp_path)
    assert (code, out) == (0, f"train: {tmp_path / 'train.csv'}\n")
    assert f"{tmp_path / 'train.csv'}: 2 rows\n2 of 2 clips have no .align file" in err
    assert list(pd.read_csv(tmp_path / "train.csv").columns) == ["video", "words", "digit"]
    code, out, _ = sensorium("import", "grid", folder, "--seed", 1, "--json")
    assert (code, json.loads(out)) == (0, {"train": str(folder / "train.csv")})


def test_a_mistake_is_one_line(sensorium, tmp_path):
    code, out, err = sensorium("import", "meld", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: cannot read {tmp_path} as meld: looked for train_sent_emo.csv")


def test_help_names_every_layout(sensorium):
    code, out, _ = sensorium("import", "--help")
    words = " ".join(out.split())
    assert code == 0
    assert ", ".join(sorted(LAYOUTS)[:-1]) + " or " + sorted(LAYOUTS)[-1] in words
