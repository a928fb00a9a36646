"""A request's body: read up to a size, then parsed. Nothing in it is a path or an address to go to."""

import json
from collections.abc import AsyncIterator
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from sensorium.serving.admission import Admitted
from sensorium.serving.refusal import Refusal
from sensorium.serving.schema import ROWS

__all__ = ["parse_body", "read_body"]

JSON, FORM = "application/json", "multipart/form-data"
PARTS = 1000  # of a form


async def read_body(request: Request, admitted: Admitted, max_bytes: int) -> bytes:
    """The whole body.

    Args:
        request: its body not read yet.
        admitted: is charged for the bytes.
        max_bytes: of it.

    Raises:
        Refusal: too large, by what it declares or by what comes.
        starlette.requests.ClientDisconnect: the client has gone.
    """
    large = Refusal(413, f"the body must have at most {max_bytes} bytes.", headers={"Connection": "close"})
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise large
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > max_bytes:
            raise large
        admitted.charge(len(chunk))
        body += chunk
    return bytes(body)


async def parse_body(body: bytes, headers: Headers, files: dict[str, int]) -> Any:
    """A body as plain data: {"rows": [...]} with strings, numbers and (of a form) bytes.

    Args:
        body: whole.
        headers: of the request.
        files: columns of media, and how many files each can have.

    Raises:
        Refusal: 400 damaged, 415 neither JSON nor a form.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        return _json(body)
    if kind == FORM:
        return await _form(body, headers, files)
    raise Refusal(415, f"the body must be {JSON} or {FORM}.")


def _json(text: bytes | str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError) as error:  # of JSON, Unicode, or a number of thousands of digits
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Refusal(400, f"the body must be JSON in UTF-8{where}.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refusal(400, "a field comes twice in one object of the body.")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


async def _form(body: bytes, headers: Headers, files: dict[str, int]) -> Any:
    async def stream() -> AsyncIterator[bytes]:
        yield body

    parser = MultiPartParser(headers, stream(), max_files=PARTS, max_fields=PARTS, max_part_size=len(body) + 1)
    parser.spool_max_size = len(body) + 1  # nobody's files come to rest on the server's disk
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, KeyError) as error:  # a boundary or charset that there isn't
        told = f" ({error.message})" if isinstance(error, MultiPartException) else ""
        raise Refusal(400, f"the form is damaged{told}.") from None
    _, told = parse_options_header(headers["content-type"])
    if b"--" + told[b"boundary"] + b"--" not in body:  # the parser would leave the last part out
        raise Refusal(400, "the form is damaged (it ends early).")
    parts: dict[str, list[str | bytes]] = {}
    for name, value in form.multi_items():
        parts.setdefault(name, []).append(await value.read() if isinstance(value, UploadFile) else value)
    await form.close()
    if ROWS in parts:
        return _rows(parts)
    row = {}
    for name, values in parts.items():
        if len(values) > 1 and not files.get(name):
            raise Refusal(400, "a field comes twice in the form.")
        sent = [value for value in values if value not in ("", b"")]  # what a browser sends for nothing
        row[name] = (sent or None) if files.get(name) else _text(values[0])
    return {ROWS: [row]}


def _text(value: str | bytes) -> str:
    """A value that came as a file is its text."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise Refusal(400, "a field of the form that holds no media must be UTF-8.") from None


def _rows(parts: dict[str, list[str | bytes]]) -> Any:
    """Several rows, as JSON, with the files that they name as other parts of the form."""
    if len(parts[ROWS]) > 1:
        raise Refusal(400, "a field comes twice in the form.")
    rows, taken = _json(_text(parts[ROWS][0])), set()

    def file(value: Any) -> Any:
        if not (isinstance(value, dict) and value.keys() == {"file"} and isinstance(value["file"], str)):
            return value
        name = value["file"]
        if name == ROWS or name not in parts or len(parts[name]) > 1 or isinstance(parts[name][0], str):
            raise Refusal(422, "a row names a file that is no one part of the form.")
        taken.add(name)
        return parts[name][0]

    if isinstance(rows, list):
        for row in rows:
            for name, value in row.items() if isinstance(row, dict) else ():
                row[name] = [file(one) for one in value] if isinstance(value, list) else file(value)
    if parts.keys() - taken - {ROWS}:
        raise Refusal(422, "a part of the form is named by no row.")
    return {ROWS: rows}
