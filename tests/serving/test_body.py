"""A request's body to plain data."""

import asyncio

import pytest
from starlette.datastructures import Headers

from sensorium.serving.body import parse_body
from sensorium.serving.refusal import Refusal

FILES = {"photo": 2, "note": 0}


def parse(body: bytes, kind: str = "application/json"):
    return asyncio.run(parse_body(body, Headers({"content-type": kind}), FILES))


def form(*parts: tuple[str, str, bytes]):
    """A form of (name, file's name or "", content)."""
    lines = []
    for name, file, content in parts:
        named = f'; filename="{file}"' if file else ""
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        lines += [head.encode(), content, b"\r\n"]
    return parse(b"".join([*lines, b"--b--\r\n"]), "multipart/form-data; boundary=b")


def test_json():
    assert parse(b'{"rows": [{"note": "\xc3\xa9"}]}', "Application/JSON; charset=utf-8") == {"rows": [{"note": "é"}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", r"must be JSON in UTF-8 \(line 1, column 1\)"),
        (b'{"rows": \n[}', r"line 2, column 2"),
        (b'{"rows": [{"age": NaN}]}', "must be JSON in UTF-8"),
        (b'{"a": 1, "a": 2}', "a field comes twice in one object"),
        (b'{"a": "\xff"}', "must be JSON in UTF-8"),
        (b"[" * 100_000, "must be JSON in UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "must be JSON in UTF-8"),
    ],
)
def test_damaged_json(body, message):
    with pytest.raises(Refusal, match=message) as error:
        parse(body)
    assert error.value.status == 400


def test_another_type():
    with pytest.raises(Refusal, match=r"must be application/json or multipart/form-data") as error:
        parse(b"{}", "text/plain")
    assert error.value.status == 415


def test_a_form_of_one_row():
    assert form(("photo", "a.png", b"one"), ("photo", "b.png", b"two"), ("note", "", b"words")) == {
        "rows": [{"photo": [b"one", b"two"], "note": "words"}]
    }
    assert form(("photo", "a.png", b""), ("note", "n.txt", b"words")) == {"rows": [{"photo": None, "note": "words"}]}


def test_a_form_of_several_rows():
    rows = b'[{"photo": {"file": "one"}}, {"photo": [{"file": "two"}, "cGF0aA=="], "note": "x"}]'
    assert form(("rows", "", rows), ("one", "/etc/passwd", b"1"), ("two", "../2", b"2")) == {
        "rows": [{"photo": b"1"}, {"photo": [b"2", "cGF0aA=="], "note": "x"}]
    }


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([("note", "", b"a"), ("note", "", b"b")], "a field comes twice in the form"),
        ([("note", "n.txt", b"\xff")], "must be UTF-8"),
        ([("rows", "", b"[]"), ("rows", "", b"[]")], "a field comes twice in the form"),
        ([("rows", "", b'[{"photo": {"file": "/etc/passwd"}}]')], "a file that is no one part of the form"),
        ([("rows", "", b'[{"photo": {"file": "rows"}}]')], "a file that is no one part of the form"),
        ([("rows", "", b'[{"photo": {"file": "a"}}]'), ("a", "", b"text")], "a file that is no one part of the form"),
        ([("rows", "", b"[{}]"), ("a", "a", b"1")], "a part of the form is named by no row"),
        ([("rows", "", b"[{")], "must be JSON"),
    ],
)
def test_a_form_that_cannot_be_used(parts, message):
    with pytest.raises(Refusal, match=message):
        form(*parts)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--b--"),
        ("multipart/form-data; boundary=", b"--b--"),
        ("multipart/form-data; boundary=b", b"no form"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 1001 + b"--b--",
        ),
    ],
)
def test_a_damaged_form(kind, body):
    with pytest.raises(Refusal, match="the form is damaged") as error:
        parse(body, kind)
    assert error.value.status == 400
