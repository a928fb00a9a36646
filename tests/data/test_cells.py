import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sensorium.data.cells import is_missing, is_wave, says_nothing, split_bag

PICTURE = Image.new("RGB", (2, 2))
WAVE = (np.zeros(4), 8000)


@pytest.mark.parametrize(
    "cell",
    [None, float("nan"), np.float32("nan"), pd.NaT, pd.NA, "", " \t\n", "　", [], (), b"", np.array([]), {},
     {"bytes": None, "path": None}, {"path": ""}],
    ids=repr,
)  # fmt: skip
def test_what_holds_nothing_is_missing(cell):
    assert is_missing(cell)
    assert split_bag(cell) == []


@pytest.mark.parametrize(
    "cell",
    [
        0,
        0.0,
        False,
        "0",
        "NA",
        "nan",
        "None",
        "无",
        [None],
        np.zeros(1),
        np.float32("inf"),
        {"path": "a.jpg"},
        {"a": 1},
    ],
    ids=repr,
)
def test_what_says_something_is_not_missing(cell):
    assert not is_missing(cell)


@pytest.mark.parametrize(("cell", "nothing"), [("NA", True), (" n/a ", True), ("-", True), (None, True), ("-1", False), (0, False), ("Nan Goldin", False)])  # fmt: skip
def test_words_for_missing_count_among_numbers_only(cell, nothing):
    assert says_nothing(cell) is nothing


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("a.jpg", ["a.jpg"]),
        ("a.jpg| b.jpg |", ["a.jpg", "b.jpg"]),
        ("图 一.jpg|图二.jpg", ["图 一.jpg", "图二.jpg"]),
        (["a.jpg", None, "", "b.jpg"], ["a.jpg", "b.jpg"]),
        (("a.jpg", "b.jpg"), ["a.jpg", "b.jpg"]),
        (np.array(["a.jpg", "b.jpg"], dtype=object), ["a.jpg", "b.jpg"]),
        ({"bytes": b"x", "path": "a.jpg"}, [b"x"]),
        ([{"bytes": None, "path": "a.jpg"}, {"bytes": b"y"}], ["a.jpg", b"y"]),
        (b"a|b", [b"a|b"]),
        (WAVE, [WAVE]),
        ([WAVE, WAVE], [WAVE, WAVE]),
        (PICTURE, [PICTURE]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bag_is_split_into_its_files(cell, parts):
    assert split_bag(cell) == parts


def test_an_array_of_numbers_is_one_item():
    (item,) = split_bag(np.ones((4, 4, 3)))
    assert item.shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("cell", "wave"),
    [
        (WAVE, True),
        (([0.0, 1.0], np.int64(8000)), True),
        (("a.wav", "b.wav"), False),
        ((8000, np.zeros(4)), False),
        ([np.zeros(4), 8000], False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wave_is_a_pair_of_samples_and_rate(cell, wave):
    assert is_wave(cell) is wave
