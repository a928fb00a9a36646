import pandas as pd
import pytest
from PIL import Image

import sensorium as sm
from sensorium.errors import ConfigError, DataError
from sensorium.importing import LAYOUTS


def make(folder):
    for split, count in (("train", 6), ("val", 2)):
        for kind, level in (("bright", 200), ("dark", 20)):
            place = folder / split / kind
            place.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (9, 9), (level + number,) * 3).save(place / f"{number}.png")
    return folder


def test_fit_takes_the_tables_as_they_are(tmp_path):
    paths = sm.import_set("folders", make(tmp_path / "set"), tmp_path / "far" / "away")
    options = {"epochs": 1, "probes": False, "precision": "32"}
    predictor = sm.fit(paths["train"], "label", valid=paths["valid"], preset="fast", **options)
    assert list(predictor.config.inputs) == ["image"]
    assert len(predictor.found) == 0  # every file was read


def test_links_lead_to_the_media(tmp_path):
    make(tmp_path / "deep" / "down" / "set")
    (tmp_path / "set").symlink_to(tmp_path / "deep" / "down" / "set")
    (tmp_path / "deep" / "tables").mkdir()
    (tmp_path / "tables").symlink_to(tmp_path / "deep" / "tables")
    paths = sm.import_set("folders", tmp_path / "set", tmp_path / "tables")
    cells = pd.read_csv(paths["valid"])["image"]
    assert cells[0] == "../down/set/val/bright/0.png"
    assert all((paths["valid"].parent / cell).is_file() for cell in cells)


def test_a_table_is_not_written_over(tmp_path):
    make(tmp_path)
    (tmp_path / "valid.csv").write_text("mine")
    with pytest.raises(
        DataError, match=r"valid\.csv is there already\. Take another folder for the tables, or delete it\."
    ):
        sm.import_set("folders", tmp_path)
    assert (tmp_path / "valid.csv").read_text() == "mine"
    assert not (tmp_path / "train.csv").exists()


def test_mistakes_are_said(tmp_path):
    with pytest.raises(
        ConfigError, match=r"unknown layout 'medl'\. Did you mean 'meld'\? There are: av-mnist, ch-sims, folders"
    ):
        sm.import_set("medl", tmp_path)
    with pytest.raises(DataError, match=r"cannot read .*none: there is no such folder\."):
        sm.import_set("meld", tmp_path / "none")
    with pytest.raises(ConfigError, match=r"folders has no target 'kind' to choose\. There are: label\."):
        sm.import_set("folders", make(tmp_path / "set"), target="kind")


def test_the_help_names_every_layout():
    listed = sm.import_set.__doc__.split("layout: of the set: ")[1].split(".\n")[0].replace(" or ", ", ")
    assert listed.split(", ") == sorted(LAYOUTS)
