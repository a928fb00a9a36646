import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from sensorium.data.audit import audit
from sensorium.data.schema import guess_schema
from sensorium.data.table import read_table
from sensorium.errors import DataError


def picture(path, level, size=(8, 6)):
    Image.new("L", size, level).save(path)


def audited(source, targets=(), root=None, valid=None, **options):
    table = read_table(source, media_root=root)
    found = audit(table, guess_schema(table, **options), targets, valid)
    json.dumps(found)  # all of it must be plain data
    return found


def column(found, name):
    return next(facts for facts in found["columns"] if facts["name"] == name)


def test_missing_and_unreadable_files_are_counted_with_reasons(tmp_path):
    picture(tmp_path / "a.png", 1)
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    cells = ["a.png", "gone.png", "", "empty.png", "text.png|a.png", None, "http://x.org/a.png"]
    found = audited({"photo": cells, "n": range(7)}, root=tmp_path)
    photo = column(found, "photo")
    assert (found["rows"], photo["modality"], photo["missing"], photo["unreadable"], photo["bag"]) == (
        7,
        "image",
        2,
        4,
        2,
    )
    assert photo["problems"] == [
        {"row": 2, "item": "gone.png", "reason": "no such file"},
        {"row": 4, "item": "empty.png", "reason": "the file is empty"},
        {"row": 5, "item": "text.png", "reason": "it is not a media file (looks like text)"},
        {"row": 7, "item": "http://x.org/a.png", "reason": "it is a URL; only local files are read"},
    ]
    many = column(audited({"photo": [f"{i}.png" for i in range(50)]}), "photo")
    assert (many["unreadable"], len(many["problems"])) == (50, 20)


def test_rows_of_a_part_keep_their_numbers_in_problems(tmp_path):
    table = read_table({"photo": ["a.png", "b.png", "c.png"]}, media_root=tmp_path).take([2])
    assert audit(table, guess_schema(table))["columns"][0]["problems"][0]["row"] == 3


def test_sizes_and_lengths(tmp_path, table):
    for i, size in enumerate([(60, 20), (10, 30), (50, 50)]):
        picture(tmp_path / f"{i}.png", i, size)
        soundfile.write(tmp_path / f"{i}.wav", np.full(800 * (i + 1), i / 10), 8000)
    cells = {"photo": ["0.png", "1.png", "2.png"], "call": ["0.wav", "1.wav", "2.wav"]}
    found = audited({**cells, "clip": [str(table.parent / f"v{i}.mp4") for i in range(3)]}, root=tmp_path)
    assert column(found, "photo")["sizes"] == {"smallest": [30, 10], "largest": [50, 50]}  # by their area
    assert column(found, "call")["seconds"] == {"shortest": 0.1, "median": 0.2, "longest": 0.3}
    assert column(found, "clip")["sizes"] == {"smallest": [32, 32], "largest": [32, 32]}
    assert column(found, "clip")["seconds"]["median"] == pytest.approx(0.8, abs=0.15)
    assert found["hints"] == [
        "'clip' has a sound track; to use it add the input clip_sound: {column: clip, modality: audio}"
    ]


def test_the_balance_of_every_task():
    prices = np.random.default_rng(0).normal(size=100)
    cells = {
        "kind": ["cat"] * 70 + [" dog"] * 29 + [""],
        "price": [*prices[:98], "NA", None],
        "tags": [["a", "b"]] * 60 + [["b"]] * 30 + [[]] * 10,
    }
    found = audited(cells, ["kind", "price", "tags"])["targets"]
    assert found["kind"] == {"task": "classification", "missing": 1, "classes": {"cat": 70, "dog": 29}}
    assert list(found["kind"]["classes"]) == ["cat", "dog"]
    assert (found["price"]["task"], found["price"]["missing"]) == ("regression", 2)
    np.testing.assert_allclose(found["price"]["quantiles"], np.percentile(prices[:98], [0, 25, 50, 75, 100]))
    assert (found["tags"]["task"], found["tags"]["classes"]) == ("multilabel", {"b": 90, "a": 60})


def test_duplicates_are_known_by_content_not_by_name(tmp_path):
    for name, level in [("a", 1), ("copy of a", 1), ("b", 2), ("copy of b", 2), ("c", 3)]:
        picture(tmp_path / f"{name}.png", level)
    photos = ["a.png", "copy of a.png", "b.png", "copy of b.png", "c.png|c.png"]
    found = audited({"photo": photos, "label": ["x", "x ", "x", "y", "y"]}, ["label"], root=tmp_path)
    assert found["duplicates"] == [
        {"column": "photo", "kind": "the same file in several rows", "files": 2},
        {"column": "photo", "kind": "the same file with different 'label'", "files": 1},
    ]
    assert audited({"photo": ["a.png", "b.png", "c.png"]}, root=tmp_path)["duplicates"] == []


def test_duplicates_across_splits_are_found(tmp_path):
    for name, level in [("a", 1), ("b", 2), ("c", 3)]:
        picture(tmp_path / f"{name}.png", level)
    (tmp_path / "valid.csv").write_text("photo\nc.png\nd.png\n")
    picture(tmp_path / "d.png", 1)
    valid = read_table(tmp_path / "valid.csv")
    source = {"photo": ["a.png", "b.png"]}
    assert audited(source, root=tmp_path, valid=valid)["duplicates"] == [
        {"column": "photo", "kind": "also in valid.csv", "files": 1}
    ]
    assert audited(source, root=tmp_path, valid=valid.take([0]))["duplicates"] == []
    assert audited(source, root=tmp_path, valid=read_table({"other": ["a"]}))["duplicates"] == []


def test_bytes_and_decoded_media_are_audited_too(tmp_path):
    picture(tmp_path / "a.png", 1)
    content = (tmp_path / "a.png").read_bytes()
    found = audited(
        {"raw": [content, content, b"\x89PNG\r\n\x1a\n oops"], "pixels": np.zeros((3, 9, 9, 3), dtype=np.uint8)}
    )
    assert found["duplicates"] == [{"column": "raw", "kind": "the same file in several rows", "files": 1}]
    assert (column(found, "raw")["unreadable"], column(found, "pixels")["unreadable"]) == (1, 0)
    assert column(found, "raw")["problems"][0]["row"] == 3


def leaking(column, count=80):
    random = np.random.default_rng(0)
    labels = random.choice(["cat", "dog", "bird"], size=count)
    columns = {
        "a code for it": [f"k{len(name)}{name[0]}" for name in labels],
        "its number": [float(len(name) * 7 + ord(name[0])) for name in labels],
        "names it": [f"on the {i}th day we saw a {name} by the lake" for i, name in enumerate(labels)],
        "names it half the time": [f"day {i}, saw a {name if i % 2 else 'fox'} by it" for i, name in enumerate(labels)],
        "tells most": [name if i % 5 else "cat" for i, name in enumerate(labels)],
        "chance": random.choice(["p", "q"], size=count),
        "noise": random.normal(size=count),
        "text": [f"on day {i} we went for a walk by the lake" for i in range(count)],
    }
    return audited({column: columns[column], "label": labels}, ["label"])["leaks"]


@pytest.mark.parametrize("name", ["a code for it", "its number"])
def test_a_column_that_gives_the_target_away_is_found(name):
    assert leaking(name) == [{"column": name, "target": "label", "accuracy": 1.0}]


def test_a_text_that_names_the_target_is_found():
    assert leaking("names it") == [{"column": "names it", "target": "label", "names_it": 1.0}]


@pytest.mark.parametrize("name", ["names it half the time", "tells most", "chance", "noise", "text"])
def test_a_column_that_does_not_is_not(name):
    assert leaking(name) == []


def test_one_target_is_no_leak_of_another():
    labels = ["cat", "dog"] * 40
    assert audited({"label": labels, "same": labels}, ["label", "same"])["leaks"] == []


def test_a_target_that_the_table_lacks_is_an_error():
    with pytest.raises(
        DataError, match=r"the table has no column 'lable'\. Did you mean 'label'\? There are: label, n\."
    ):
        audited({"label": ["a", "b"], "n": [1, 2]}, ["lable"])
