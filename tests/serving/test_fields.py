"""What a request may send for each column."""

import base64

import numpy as np
import pytest
from pydantic_core import PydanticCustomError

from sensorium.data.media_readers import AudioReader, ImageReader, VideoReader
from sensorium.data.tabular import TabularReader, VectorReader
from sensorium.data.text import TextReader
from sensorium.serving.fields import fields_of

FILE = base64.b64encode(b"a file").decode()


@pytest.fixture(scope="module")
def fields():
    values = TabularReader(
        {"age": "numeric", "born": "date", "height": "numeric", "shop": "categorical", "new": "boolean"}
    )
    values.fit([[50.0, "2001-02-03", 1.8, "north", "yes"], [60.0, "2004-05-06", 1.6, "south", "no"]])
    pose = VectorReader("pose")
    pose.fit([[[1.0, 2.0]], [[3.0, 4.0]]])
    readers = {
        "photo": ImageReader("photo", 2, size=(8, 8)),
        "clip": VideoReader("clip", frames=4, size=(8, 8)),
        "sound": AudioReader("clip", sample_rate=8000, seconds=None),
        "note": TextReader("note"),
        "code": TextReader("code"),
        "coded": TabularReader({"code": "categorical"}),
        "pose": pose,
        "values": values,
    }
    return {field.name: field for field in fields_of(readers, ("question",), max_characters=20)}


def test_kinds_and_examples(fields):
    assert {name: field.kind for name, field in fields.items()} == {
        "photo": "image", "clip": "video", "note": "text", "code": "text and categorical", "pose": "vector",
        "age": "numeric", "born": "date", "height": "numeric", "shop": "categorical", "new": "boolean", "question": "text",
    }  # fmt: skip
    assert fields["age"].example == 55.0
    assert fields["height"].example == pytest.approx(1.7)  # a date before it has seven numbers
    assert fields["pose"].example == [2.0, 3.0]
    assert {name: field.files for name, field in fields.items() if field.files} == {"photo": 2, "clip": 1}
    for field in fields.values():
        field.cell(field.example)


@pytest.mark.parametrize(
    ("name", "value", "cell"),
    [
        ("photo", FILE, [b"a file"]),
        ("photo", [FILE, b"another"], [b"a file", b"another"]),
        ("photo", f"data:image/svg+xml;base64,{FILE}", [b"a file"]),
        ("photo", "", None),
        ("photo", [], None),
        ("note", "words", "words"),
        ("note", None, None),
        ("code", 7, 7),
        ("age", 41, 41.0),
        ("age", "1,234.5", 1234.5),
        ("age", "NA", None),
        ("age", None, None),
        ("born", "3.4.2024", "3.4.2024"),
        ("new", True, "true"),
        ("new", 0, "false"),
        ("new", "Yes", "true"),
        ("new", " ", None),
        ("shop", "west", "west"),  # never seen: the reader's affair
        ("shop", 3.0, 3.0),
        ("pose", "[1, 2.5]", [1.0, 2.5]),
        ("pose", [1, 2.5], [1.0, 2.5]),
        ("pose", None, None),
    ],
)
def test_taken(fields, name, value, cell):
    assert fields[name].cell(value) == cell


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("photo", "/etc/passwd", "must be a file's bytes in base64; paths and addresses are not read"),
        ("photo", "https://a.example/b.png", "paths and addresses are not read"),
        ("photo", "file:///etc/passwd", "paths and addresses are not read"),
        ("photo", "data:,a", "paths and addresses are not read"),
        ("photo", "é" * 4, "paths and addresses are not read"),
        ("photo", 7, "must be a file's bytes in base64; got a number"),
        ("photo", [FILE] * 3, "must be at most 2 files; got 3"),
        ("clip", [FILE] * 2, "must be at most 1 file; got 2"),
        ("note", 7, "must be text; got a number"),
        ("note", "a" * 21, "must have at most 20 characters; got 21"),
        ("note", "a\ud800", "half of a surrogate pair"),
        ("code", [], "must be a category; got a list"),
        ("age", True, "must be a number; got true or false"),
        ("age", "old", "must be a number that is finite"),
        ("age", 10**400, "must be a number that is finite"),
        ("age", float("inf"), "must be a number that is finite"),
        ("age", {}, "must be a number; got an object"),
        ("born", 2024, "must be a date as text; got a number"),
        ("born", "1" * 101, "must have at most 100 characters; got 101"),
        ("new", 2, "must be true or false"),
        ("new", [], "must be true or false; got a list"),
        ("shop", [], "must be a category; got a list"),
        ("shop", 10**400, "a number of it is below 1e15"),
        ("shop", "a" * 10_001, "must have at most 10000 characters; got 10001"),
        ("pose", [1], "must be a list of 2 finite numbers; got 1"),
        ("pose", [1, 10**400], "must be a list of 2 finite numbers"),
        ("pose", [1, 1e39], "must be a list of 2 finite numbers"),
        ("pose", [1, "2"], "must be a list of 2 numbers"),
        ("pose", "1 " * 5000, "must be a list of 2 finite numbers"),
        ("pose", 7, "must be a list of 2 numbers; got a number"),
    ],
)
def test_refused(fields, name, value, message):
    with pytest.raises(PydanticCustomError, match=message):
        fields[name].cell(value)


def test_what_is_taken_as_a_vector_is_what_the_reader_reads(fields):
    reader = VectorReader("pose")
    reader.fit([[[1.0, 2.0]], [[3.0, 4.0]]])
    notes = []
    read = [
        reader.read([fields["pose"].cell(value)], lambda *note: notes.append(note)) for value in ("1 2.5", [1, 2.5])
    ]
    np.testing.assert_array_equal(read[0], read[1])
    assert not notes
