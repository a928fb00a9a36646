"""Which rows validate, from the configuration: what must stay together does."""

import io

import numpy as np
import pytest
from PIL import Image

import sensorium as sm
from sensorium.data import duplicates
from sensorium.data.table import read_table
from sensorium.data.targets import fit_target
from sensorium.errors import ConfigError, DataError
from sensorium.media.loader import MediaLoader
from sensorium.planning import plan
from sensorium.training.sides import choose_sides, warn_of_shared

QUICK = {"epochs": 1, "probes": False, "precision": "32", "batch_size": 8}
RANDOM = np.random.default_rng(0)


@pytest.fixture
def rows():
    """Ten patients with four rows each."""
    return {
        "a": np.random.default_rng(0).normal(size=(40, 3)),
        "patient": [f"p{row // 4}" for row in range(40)],
        "day": [f"2024-01-{1 + row * 7 % 20:02}" for row in range(40)],
        "shop": ["north", "south"] * 20,
        "label": ["yes", "no"] * 20,
    }


def sides(rows, split=None, seed=0, **config):
    """The row numbers of both sides, from 0, and the warnings."""
    table = read_table(rows)
    chosen, _ = plan(table, "label", {**config, "split": split, "training": {"seed": seed, "valid_share": 0.2}})
    warnings = []
    coder = fit_target("label", table.cells("label"), "classification")
    parts = choose_sides(table, coder, chosen, MediaLoader(), warnings)
    return [[part.number(row) - 1 for row in range(len(part))] for part in parts], warnings


def picture(content, **options):
    file = io.BytesIO()
    Image.fromarray(content).save(file, **{"format": "PNG", **options})
    return file.getvalue()


def test_the_rows_of_a_patient_are_on_one_side(rows):
    for seed in range(10):
        (train, valid), warnings = sides(rows, {"by": "patient"}, seed)
        assert sorted(train + valid) == list(range(40))
        assert not {row // 4 for row in train} & {row // 4 for row in valid}
        assert len(valid) == 8
        assert warnings == []


def test_the_latest_rows_validate(rows):
    rows["day"][3] = ""
    (train, valid), warnings = sides(rows, {"time": "day"})
    days = np.array(rows["day"])
    assert max(days[train]) < min(days[valid])
    assert len(valid) == 8
    assert warnings == ["rows without 'day' (1) count as the earliest."]


def test_a_patient_with_late_rows_validates_whole(rows):
    rows["day"] = [f"2024-{1 + row // 4:02}-{1 + row % 4:02}" for row in range(40)]  # one after the other
    rows["day"][0] = "2024-12-01"
    (train, valid), _ = sides(rows, {"by": "patient", "time": "day"})
    assert sorted({row // 4 for row in valid}) == [0, 9]
    assert len(train) == 32


@pytest.mark.parametrize(("how", "apart"), [(None, False), ("bytes", False), ("near", False), ("none", True)])
def test_rows_with_the_same_picture_are_on_one_side(rows, how, apart):
    pictures = [picture(RANDOM.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for _ in range(20)]
    rows["photo"] = [pictures[row % 20] for row in range(40)]
    found = set()
    for seed in range(5):
        (_, valid), _ = sides(rows, None if how is None else {"duplicates": how}, seed)
        found.update((row + 20) % 40 in valid for row in valid)
    assert found == ({True, False} if apart else {True})


def test_a_large_group_is_said(rows):
    rows["patient"][:12] = ["p"] * 12
    (train, valid), warnings = sides(rows, {"by": "patient"})
    assert set(range(12)) <= set(train)
    assert len(valid) == 8
    assert warnings == ["12 of 40 rows are one group and stay on one side of the split."]


def test_files_that_allow_no_split_are_left_out_of_account_and_that_is_said(rows):
    photos = [picture(np.full((9, 9), kind, dtype=np.uint8)) for kind in range(5)]
    rows["label"] = list("abcde") * 8
    rows["photo"] = photos * 8  # each class has its one
    (train, valid), warnings = sides(rows)
    assert {rows["label"][row] for row in train} == {rows["label"][row] for row in valid} == set("abcde")
    assert len(warnings) == 1
    assert warnings[0].startswith(
        "rows are split as if they shared no media files, with which it can't be: of 5 groups"
    )
    (train, valid), (first,) = sides(rows, {"by": "patient"})
    assert not {row // 4 for row in train} & {row // 4 for row in valid}
    assert "media files that rows share join 40 of 40 rows" in first
    rows["patient"] = rows["label"]
    with pytest.raises(DataError, match=r"^of 5 groups of rows none can be spared to validate with: each is the only"):
        sides(rows, {"by": "patient"})


@pytest.mark.parametrize(("how", "kept"), [("bytes", False), ("near", True)])
def test_near_same_pictures_are_on_one_side_where_that_is_asked(rows, how, kept):
    rows["photo"] = []
    for _ in range(20):
        content = np.kron(RANDOM.integers(0, 256, (4, 4, 3), dtype=np.uint8), np.ones((12, 12, 1), dtype=np.uint8))
        rows["photo"] += [picture(content), picture(content, format="JPEG", quality=80)]
    together = [
        row ^ 1 in valid
        for seed in range(5)
        for valid in [sides(rows, {"duplicates": how}, seed)[0][1]]
        for row in valid
    ]
    assert len(together) > 30
    assert all(together) == kept


def test_rows_without_the_first_target_go_with_their_group(rows):
    rows["price"] = np.arange(40.0)
    for row in range(0, 40, 4):
        rows["label"][row] = ""
    for seed in range(5):
        found, _ = sides(rows, {"by": "patient"}, seed, targets={"label": {}, "price": {}})
        train, valid = found
        assert sorted(train + valid) == list(range(40))
        assert not {row // 4 for row in train} & {row // 4 for row in valid}


def test_a_class_of_one_patient_is_said(rows):
    rows["label"][8:12] = ["maybe"] * 4
    (train, _), warnings = sides(rows, {"by": "patient"})
    assert set(range(8, 12)) <= set(train)
    assert len(warnings) == 1
    assert warnings[0].startswith("target 'label': all 4 rows of class 'maybe' are on one side of the split")


def test_columns_that_rows_are_split_by_are_no_inputs_unless_named(rows):
    table = read_table({**rows, "patient": [f"ward {row // 4} east" for row in range(40)]})

    def columns(split, settings=(), **config):
        chosen, _ = plan(table, "label", {"split": split, **config}, settings)
        return set(chosen.inputs), set(chosen.inputs["columns"].columns) if "columns" in chosen.inputs else set()

    assert columns(None) == ({"a", "columns"}, {"patient", "day", "shop"})
    assert columns({"by": "patient"}) == ({"a", "columns"}, {"day", "shop"})
    assert columns({"by": "patient", "time": "day"}) == ({"a", "columns"}, {"shop"})
    assert columns(None, ["split.by=patient"]) == ({"a", "columns"}, {"day", "shop"})
    assert columns({"by": "patient"}, inputs={"patient": {}}) == ({"patient"}, set())


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"by": "patent"}, r"^split.by: the table has no column 'patent'. Did you mean 'patient'\?"),
        ({"time": "dya"}, r"^split.time: the table has no column 'dya'. Did you mean 'day'\?"),
        ({"by": "label"}, r"^split.by: column 'label' is a target; rows can't be split by the answer.$"),
        ({"time": "day", "folds": 3}, r"^split.time can't go with split.folds: folds learn from later rows"),
        ({"duplicates": "some"}, r"^split.duplicates: unknown value 'some'. There are: bytes, near, none.$"),
        ({"folds": 1}, r"^split.folds: must be greater than or equal to 2, or each; got 1.$"),
        ({"bye": "patient"}, r"^split.bye: unknown key. Did you mean 'by'\?"),
    ],
)
def test_what_rows_cannot_be_split_by(rows, split, message):
    with pytest.raises(ConfigError, match=message):
        sm.fit(rows, "label", split=split, **QUICK)


def test_settings_are_checked_as_well(rows):
    with pytest.raises(ConfigError, match=r"^split: must be a mapping of options; got 'patient'.$"):
        sm.fit(rows, "label", settings=["split=patient"], **QUICK)


def test_a_section_that_is_no_mapping_is_refused_beside_options_too(rows):
    with pytest.raises(ConfigError, match=r"^split: must be a mapping of options; got 'patient'.$"):
        sm.fit(rows, "label", config={"split": "patient"}, split={"time": "day"}, **QUICK)


def test_one_patient_cannot_be_split(rows):
    rows["patient"] = ["p"] * 40
    with pytest.raises(DataError, match=r"^all 40 rows belong to one group, so that none is left to validate with"):
        sm.fit(rows, "label", split={"by": "patient"}, **QUICK)


@pytest.fixture
def photos(rows):
    rows["photo"] = [picture(RANDOM.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for _ in range(40)]
    return rows


def test_files_that_both_tables_hold_are_counted(photos):
    other = {name: values[:6] for name, values in photos.items()}
    other["photo"] = [*photos["photo"][:2], *[picture(np.full((9, 9), i, dtype=np.uint8)) for i in range(3)], b"bad"]
    said = []
    config = {"inputs": {"photo": {"size": 8, "encoder": {"type": "cnn", "channels": [4]}}}}
    predictor = sm.fit(photos, "label", valid=other, config=config, say=said.append, **QUICK)
    (warning,) = [line for line in predictor.metrics["warnings"] if "media file" in line]
    assert warning == (
        "2 of 6 rows of the table hold a media file that rows to learn from hold too, the first in row 1: the scores "
        "flatter the model. Leave them out of one of the two."
    )
    assert f"warning: {warning}" in said
    quiet = sm.fit(photos, "label", valid=other, config=config, split={"duplicates": "none"}, **QUICK)
    assert not any("media file" in line for line in quiet.metrics["warnings"])


def test_values_of_split_by_that_both_tables_hold_are_counted(rows):
    table, warnings = read_table(rows), []
    other = read_table({"a": rows["a"][:4], "patient": ["q1", "p3", "", "p4 "], "label": rows["label"][:4]})
    config = plan(table, "label", {"split": {"by": "patient"}})[0]
    warn_of_shared(table, other, config, MediaLoader(), warnings)
    assert len(warnings) == 1
    assert warnings[0].startswith(
        "2 of 4 rows of the table hold a value of 'patient' that rows to learn from hold too, the first in row 2:"
    )


def test_of_too_many_files_none_is_compared_and_that_is_said(photos, monkeypatch):
    monkeypatch.setattr(duplicates, "MOST_FILES", 30)
    photos["photo"][1] = photos["photo"][0]
    _, warnings = sides(photos)
    assert len(warnings) == 1
    assert warnings[0].startswith(
        "the table has more than 200,000 cells of media; rows that share a file are not looked"
    )
    table, warnings = read_table(photos), []
    warn_of_shared(table, table, plan(table, "label")[0], MediaLoader(), warnings)
    assert warnings[0].startswith("the table has more than 200,000 cells")
