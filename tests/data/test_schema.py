import datetime
import json
import uuid

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from sensorium.data.schema import MODALITIES, Schema, guess_schema
from sensorium.data.table import read_table
from sensorium.errors import ConfigError

RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(5000, 900, size=40)
DAYS = [datetime.date(2024, month, day) for month in range(1, 13) for day in (3, 14, 25)]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


def guess(cells, name="column", **options):
    return guess_schema(read_table({name: cells}), **options).columns[name]


def many(text, count=40):
    return [text.format(i) for i in range(count)]


CASES = {
    "numeric": {
        "floats": NUMBERS,
        "text": [f"{x:.2f}" for x in NUMBERS],
        "thousands": [f"{x:,.2f}" for x in NUMBERS],
        "decimal commas": [f"{x:.1f}".replace(".", ",") for x in NUMBERS],
        "exponents": [f"{x:.3e}" for x in NUMBERS],
        "mostly empty": [None] * 30 + list(range(10)),
        "NA for empty": ["NA" if i % 3 == 0 else f"{i * 1.5}" for i in range(60)],
        "a few slips": [*many("{}", 38), "n/k", "?"],
        "pandas Int64": pd.array([1, 2, None] * 10, dtype="Int64"),
        "few whole numbers": [1, 2, 3] * 10,
        "years": many("20{:02d}", 30),
    },
    "boolean": {
        "yes, no": ["yes", "No"] * 9,
        "0, 1": ["0", "1"] * 9,
        "0.0, 1.0": [0.0, 1.0, np.nan] * 9,
        "bool": np.array([True, False] * 9),
        "bool or None": [True, None, False] * 9,
        "T, F": ["T", "F"] * 9,
        "Chinese": ["是", "否"] * 9,
    },
    "categorical": {
        "words": ["red", "green", "dark blue"] * 9,
        "country NA": ["NA", "DE", "FR"] * 9,
        "codes": ["007", "008", "010"] * 9,
        "Chinese": ["北京", "上海", "广州市天河区"] * 9,
        "Japanese": ["東京", "大阪", "京都"] * 9,
        "Thai": ["กรุงเทพ", "เชียงใหม่"] * 9,
        "few long texts": ["by far the best of them all", "not quite as good as the others"] * 20,
        "mixed": ["a", 1, 2.5, None] * 9,
        "numbers and words": ["1", "2", "three", "four"] * 9,
        "version": many("1.{}.0", 12),
        "pandas category": pd.Categorical(["a", "b"] * 9),
        "three words": many("it is {}"),
        "times of day": [datetime.time(hour) for hour in range(12)] * 2,
        "underscores": ["2024_01", "2024_02", "2024_03"] * 9,
        "objects of JSON": [{"a": 1}, {"a": 2}] * 9,
    },
    "text": {
        "English": many("it was the {}th fine day of the year"),
        "Chinese": many("这家餐厅的菜非常好吃而且服务员也很热情第{}次"),
        "Japanese": many("この映画はとても面白かったです{}回目"),
        "Thai": many("อาหารอร่อยมากและบริการดี{}"),
        "Korean": many("이 영화는 정말 재미있었어요 {}번째"),
        "four words": many("it is number {}"),
        "names": [f"{chr(65 + i % 26)}nn L{i}" for i in range(80)],
        "text that names one file": ["see a.jpg", *many("I like number {} very much indeed")],
    },
    "date": {
        "ISO": [str(day) for day in DAYS],
        "with time": [f"{day}T10:20:30Z" for day in DAYS],
        "with time and zone": [f"{day} 10:20 +08:00" for day in DAYS],
        "months": [f"{day:%Y-%m}" for day in DAYS],
        "dots": [f"{day:%d.%m.%Y}" for day in DAYS],
        "slashes": [f"{day.month}/{day.day}/{day.year}" for day in DAYS],
        "words": [f"{day:%d %B %Y}" for day in DAYS],
        "American words": [f"{day:%b %d, %Y}" for day in DAYS],
        "Chinese": [f"{day.year}年{day.month}月{day.day}日" for day in DAYS],
        "NA for empty": ["NA", *(str(day) for day in DAYS), "-", "NA", "NA", "NA", "NA"],
        "date": DAYS,
        "Timestamp": [pd.Timestamp(day) for day in DAYS],
        "datetime64": np.array(DAYS, dtype="datetime64[ns]"),
    },
    "vector": {
        "brackets": ["[0.1, 0.2, 3]", "[1 2 3]", " [4,5,6]"] * 9,
        "lists": [[0.1, 0.2]] * 9,
        "array": RANDOM.normal(size=(9, 5)),
        "array of one": RANDOM.normal(size=(9, 1)),
        "one of another size": [[1.0, 2.0, 3.0]] * 39 + [[1.0]],
        "a few empty": [[0.1, 0.2], None, ""] * 9,
    },
    "image": {
        "paths": many("img/{}.JPG"),
        "Chinese paths": many("图片 {}.png"),
        "bags": many("a{0}.jpg|b{0}.jpg"),
        "lists of paths": [["a.png", "b.png"], ["c.png"]] * 9,
        "mostly": ["a.jpg", "b.jpg", "c.wav"] * 9,
        "bytes": [PNG] * 9,
        "Hugging Face": [{"bytes": PNG, "path": "a"}] * 9,
        "PIL": [Image.new("RGB", (4, 4))] * 9,
        "colour arrays": np.zeros((9, 16, 16, 3), dtype=np.uint8),
        "grey arrays": np.zeros((9, 28, 28)),
    },
    "audio": {
        "paths": many("{}.mp3"),
        "waves": [(np.zeros(80), 8000)] * 9,
        "lists of waves": [[(np.zeros(80), 8000)] * 2] * 9,
    },
    "video": {"paths": many("clips/{}.mp4"), "arrays": np.zeros((5, 4, 16, 16, 3), dtype=np.uint8)},
    "ignored": {"empty": [None, "", float("nan")] * 3, "constant": ["a", "a ", None] * 9, "one value": [3.0] * 9},
}


@pytest.mark.parametrize(
    ("modality", "kind"), [(modality, kind) for modality, cases in CASES.items() for kind in cases]
)
def test_a_column_is_what_it_holds(modality, kind):
    column = guess(CASES[modality][kind])
    assert (column.modality, bool(column.reason)) == (modality, True), column.reason


@pytest.mark.parametrize("name", ["id", "user_id", "User ID", "userId", "UserID", "编号", "订单编号", "用户ID", "Unnamed: 0", "idx"])  # fmt: skip
def test_numbers_named_as_identifiers_are_identifiers(name):
    assert guess([str(i) for i in range(40)], name).modality == "identifier"


@pytest.mark.parametrize(("text", "modality"), [("{}", "numeric"), ("u-{}", "categorical")])
def test_what_comes_again_is_no_identifier(text, modality):
    assert guess(many(text) * 2, "user_id").modality == modality


@pytest.mark.parametrize("name", ["age", "paid", "humid", "valid", "AMID", "idea"])
def test_other_names_are_not_identifiers(name):
    assert guess([str(i) for i in range(40)], name).modality == "numeric"


@pytest.mark.parametrize(
    "cells",
    [
        [str(uuid.UUID(int=i)) for i in range(40)],
        many("row-{}"),
        many("{:05d}"),
        [f"{i:032x}" for i in range(10**20, 10**20 + 40)],
    ],
    ids=["uuid", "letters", "zeros", "hash"],
)
def test_identifiers_are_known_by_their_shape(cells):
    assert guess(cells).modality == "identifier"


def test_missing_and_unique_are_counted_and_bags_measured():
    column = guess(["a", "b", None, "", "a"] * 5)
    assert (column.missing, column.unique, column.bag) == (10, 2, 1)
    assert guess(["a.jpg|b.jpg|c.jpg", "d.jpg", None]).bag == 3


def test_files_that_are_not_there_are_counted_in_the_reason(tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")
    table = read_table({"photo": ["a.png", "b.png", "c.png", "http://x.org/d.png"]}, media_root=tmp_path)
    column = guess_schema(table).columns["photo"]
    assert column.reason == "4 of 4 items looked at name image files; 3 of 4 files are not there"
    assert column.facts == {"size": [4, 6]}


def test_sizes_and_lengths_come_from_headers(table, tmp_path):
    for i, (width, height) in enumerate([(30, 10), (50, 20), (40, 90)]):
        Image.new("L", (width, height)).save(tmp_path / f"{i}.png")
        soundfile.write(tmp_path / f"{i}.wav", np.zeros(4000 * (i + 1)), 8000)
    columns = {"photo": many("{}.png", 3), "call": many("{}.wav", 3), "clip": [str(table.parent / "v0.mp4")] * 3}
    facts = {name: c.facts for name, c in guess_schema(read_table(columns, tmp_path)).columns.items()}
    assert facts["photo"] == {"size": [20, 40]}  # medians of heights and of widths
    assert facts["call"] == {"seconds": 1.0, "most_seconds": 1.5, "sample_rate": 8000.0}
    assert facts["clip"]["has_motion"]
    assert (facts["clip"]["size"], facts["clip"]["fps"], facts["clip"]["has_audio"]) == ([32, 32], 10.0, True)
    assert facts["clip"]["seconds"] == pytest.approx(0.8, abs=0.15)  # the sound's last packet reaches further


@pytest.mark.parametrize(
    ("cells", "facts"),
    [
        ([Image.new("RGB", (6, 4))] * 3, {"size": [4, 6]}),
        ([np.zeros((16, 12, 3), dtype=np.uint8)] * 3, {"size": [16, 12]}),
        ([np.zeros((3, 16, 12), dtype=np.uint8)] * 3, {"size": [16, 12]}),
        ([(np.zeros(4000), 8000)] * 3, {"seconds": 0.5, "most_seconds": 0.5, "sample_rate": 8000.0}),
        (["12 words", "123456789 and more of these words"] * 3, {"characters": 20.5, "most_characters": 33}),
    ],
    ids=["PIL", "array", "channels first", "wave", "text"],
)
def test_facts_of_media_in_memory_and_texts(cells, facts):
    as_text = {"overrides": {"column": "text"}} if isinstance(cells[0], str) else {}
    assert guess(cells, **as_text).facts == facts


def test_the_user_overrides_and_ignores():
    table = read_table({"a": ["1", "2"] * 9, "b": ["x", "y"] * 9, "c": ["p", "q"] * 9})
    schema = guess_schema(table, overrides={"a": "categorical", "c": "text"}, ignore=["b"])
    assert [(c.name, c.modality, c.reason) for c in schema.columns.values()] == [
        ("a", "categorical", "you said so"), ("b", "ignored", "you said so"), ("c", "text", "you said so"),
    ]  # fmt: skip
    assert [column.name for column in schema.of("text", "categorical")] == ["a", "c"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overrides": {"agee": "text"}}, r"the table has no column 'agee'\. Did you mean 'age'\? There are: age, note\."),
        ({"ignore": ["nota"]}, r"the table has no column 'nota'\. Did you mean 'note'\?"),
        ({"overrides": {"age": "imgae"}}, r"--as age=imgae: unknown modality 'imgae'\. Did you mean 'image'\? There are: audio, boolean, "),
    ],
)  # fmt: skip
def test_a_wrong_override_is_an_error(options, message):
    with pytest.raises(ConfigError, match=message):
        guess_schema(read_table({"age": [1, 2], "note": ["a", "b"]}), **options)


def test_a_large_table_is_sampled_the_same_way_each_time():
    cells = [*("a b c d e f".split()), *range(2000)]
    first = guess(cells, sample=50)
    assert first.modality == "numeric"
    assert first.unique <= 50
    assert first == guess(cells, sample=50)
    assert first.missing == 0
    # What is rare can be missed by a sample, never what is counted over all rows.
    assert guess([None] * 5 + ["x"] * 1995, sample=10).missing == 5
    assert guess(["a.jpg"] * 1999 + ["a.jpg|b.jpg"], sample=10).bag == 2
    assert guess(["x"] * 1999 + ["y"], sample=10).modality != "ignored"


def test_a_schema_goes_through_json():
    columns = {"photo": ["a.png|b.png", None], "age": [1.5, 2], "note": ["a", "b"], "pose": [[1, 2], [3, 4]]}
    schema = guess_schema(read_table(columns))
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    assert schema.rows == 2
    assert {column.modality for column in schema.columns.values()} <= set(MODALITIES)
