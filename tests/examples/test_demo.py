"""The demo's table."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from sensorium.data.schema import guess_schema
from sensorium.data.table import read_table
from sensorium.errors import ConfigError, MediaError
from sensorium.examples import make
from sensorium.examples.demo import make_demo
from sensorium.media import probe

pytest.importorskip("espeakng_loader", reason="the demo's voices need espeakng-loader")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("demo") / "data", rows=(64, 24, 24))


def test_every_column_is_what_it_is(made):
    columns = guess_schema(read_table(made["train"])).columns
    assert {name: column.modality for name, column in columns.items()} == {
        "parcel": "identifier", "picture": "image", "recording": "audio", "clip": "video", "note": "text",
        "weight": "numeric", "shop": "categorical", "gift": "boolean", "sent": "date", "vector": "vector",
        "counter": "categorical",
    }  # fmt: skip


def test_only_what_is_listed_is_broken_and_nothing_is_in_two_splits(made):
    listed, contents = made["readme"].read_text(), {}
    for split in ("train", "valid", "test"):
        table = read_table(made[split])
        broken = []
        for column in ("picture", "recording", "clip"):
            for name in filter(None, table.cells(column)):
                content = (made[split].parent / name).read_bytes()
                if content:
                    contents.setdefault(hashlib.sha256(content).hexdigest(), set()).add((split, len(content) > 20))
                try:
                    probe(content)
                except MediaError:
                    broken.append(name)
        assert len(broken) == 3  # an emptied recording, half a clip, a text; half a picture still has its header
        assert all(name in listed for name in broken)
    assert listed.count("cut in half") == 6
    assert all(len(splits) == 1 for splits in contents.values() if (("train", True) in splits))


def test_the_same_seed_makes_the_same_table(made, tmp_path):
    again = make_demo(tmp_path / "again", rows=(64, 24, 24))
    pd.testing.assert_frame_equal(pd.read_csv(again["train"]), pd.read_csv(made["train"]))
    other = make_demo(tmp_path / "other", rows=(8, 8, 8), seed=1)
    assert not pd.read_csv(other["test"]).equals(pd.read_csv(made["test"]).iloc[:8])


def test_speech_sounds_and_words_differ():
    from sensorium.examples.speech import speak

    red, yellow = speak("red"), speak("yellow")
    assert 0.1 * 22050 < len(red) < 2 * 22050
    assert np.sqrt((red**2).mean()) > 0.01
    assert len(red) != len(yellow)
    with pytest.raises(ConfigError, match="eSpeak NG has no voice 'klingonese'"):
        speak("red", "klingonese")


def test_mistakes_are_said(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown example 'dmo'. Did you mean 'demo'\?"):
        make("dmo", tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is there already and not empty"):
        make("demo", tmp_path)
