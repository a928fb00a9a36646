"""The fields of a row: what a request may send for each column that a run reads, and as what."""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic_core import PydanticCustomError

from sensorium.data.cells import says_nothing
from sensorium.data.tabular import truth, vector
from sensorium.data.targets import number
from sensorium.serving.examples import EXAMPLES

__all__ = ["FieldOfRow", "fields_of"]

WORD = 10_000  # characters of a category, a number or a date
MEDIA = ("image", "audio", "video")


@dataclass(frozen=True)
class FieldOfRow:
    """One column that a run reads.

    Args:
        name: of the column.
        kind: image, audio, video, text, numeric, categorical, boolean, date or vector.
        schema: of its value in JSON.
        example: of such a value.
        cell: from such a value to a cell; raises PydanticCustomError.
        files: at most, of media; 0 of values.
    """

    name: str
    kind: str
    schema: dict[str, Any]
    example: Any
    cell: Callable[[Any], Any]
    files: int = 0


def fields_of(readers: Mapping[str, Any], prompts: tuple[str, ...], max_characters: int) -> list[FieldOfRow]:
    """The fields of a run, in the order of its inputs.

    Args:
        readers: of the run.
        prompts: columns of questions, of targets of texts.
        max_characters: of one text.
    """
    kinds: dict[str, dict[str, Any]] = {}
    for reader in readers.values():
        for column in reader.columns:
            kinds.setdefault(column, {})[_kind(reader, column)] = reader
    for column in prompts:
        kinds.setdefault(column, {})["text"] = None
    return [_field(name, found, max_characters) for name, found in kinds.items()]


def _kind(reader: Any, column: str) -> str:
    return getattr(reader, "medium", None) or getattr(reader, "kinds", {}).get(column) or reader.modality


def _field(name: str, found: dict[str, Any], max_characters: int) -> FieldOfRow:
    """`found`: readers of the column by kind."""
    media = [kind for kind in MEDIA if kind in found]
    if media:
        kind, files = media[-1], max(reader.bag for reader in found.values())
        one = {"type": "string", "contentEncoding": "base64", "contentMediaType": f"{kind}/*"}
        many = {"type": "array", "items": one, "maxItems": files}
        return FieldOfRow(name, kind, _or_null(one, many), EXAMPLES[kind](), lambda value: _files(value, files), files)
    kind, reader = next(iter(found.items()))
    if len(found) > 1:  # what the readers make of it is theirs
        schema = _or_null({"type": "string", "maxLength": max_characters}, {"type": "number"}, {"type": "boolean"})
        return FieldOfRow(name, " and ".join(found), schema, "1", lambda value: _category(value, max_characters))
    if kind == "text":
        schema = {"type": "string", "maxLength": max_characters}
        return FieldOfRow(name, "text", _or_null(schema), "some words", lambda value: _text(value, max_characters))
    if kind == "vector":
        size = reader.size
        schema = {"type": "array", "items": {"type": "number"}, "minItems": size, "maxItems": size}
        example = [round(float(value), 4) for value in reader.mean]
        return FieldOfRow(name, kind, _or_null(schema), example, lambda value: _vector(value, size))
    word = {"type": "string", "maxLength": WORD}
    if kind == "numeric":
        numeric = [column for column, of in reader.kinds.items() if of in {"numeric", "date"}]
        place = sum(7 if reader.kinds[column] == "date" else 1 for column in numeric[: numeric.index(name)])
        return FieldOfRow(name, kind, _or_null({"type": "number"}, word), round(float(reader.mean[place]), 4), _number)
    if kind == "boolean":
        return FieldOfRow(name, kind, _or_null({"type": "boolean"}, {"type": "integer"}, word), True, _boolean)
    if kind == "date":
        return FieldOfRow(name, kind, _or_null({**word, "maxLength": 100}), "2024-03-05", _date)
    known = reader.categories[name]
    schemas = _or_null(word, {"type": "number"}, {"type": "boolean"})
    return FieldOfRow(name, "categorical", schemas, known[0] if known else "a", _category)


def _or_null(*schemas: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [*schemas, {"type": "null"}]}


def _nothing(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _wrong(must: str, value: Any) -> PydanticCustomError:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return PydanticCustomError("field", f"must be {must}; got {kinds.get(type(value), 'a file')}.")


def _short(value: str, most: int) -> str:
    if len(value) > most:
        raise PydanticCustomError("field", f"must have at most {most} characters; got {len(value)}.")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise PydanticCustomError("field", "must be Unicode text; it holds half of a surrogate pair.")
    return value


def _files(value: Any, most: int) -> list[bytes] | None:
    if _nothing(value):
        return None
    files = value if isinstance(value, list) else [value]
    if len(files) > most:
        raise PydanticCustomError(
            "field", f"must be at most {most} {'files' if most > 1 else 'file'}; got {len(files)}."
        )
    return [_file(file) for file in files] or None


def _file(value: Any) -> bytes:
    if isinstance(value, bytes):  # of a form
        return value
    if not isinstance(value, str):
        raise _wrong("a file's bytes in base64", value)
    try:
        # What a browser makes of a file begins with data:image/png;base64,
        return base64.b64decode(re.sub(r"^data:[\w.+/-]{0,100};base64,", "", value), validate=True)
    except (binascii.Error, ValueError):  # ValueError: letters that are no ASCII
        raise PydanticCustomError(
            "field", "must be a file's bytes in base64; paths and addresses are not read."
        ) from None


def _text(value: Any, most: int) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong("text", value)
    return _short(value, most)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | None):
        raise _wrong("a number", value)
    if value is None or (isinstance(value, str) and says_nothing(_short(value, WORD))):
        return None
    found = number(value)
    if found is None:
        raise PydanticCustomError("field", "must be a number that is finite.")
    return found


def _boolean(value: Any) -> Any:
    if not isinstance(value, bool | int | str | None):
        raise _wrong("true or false", value)
    if _nothing(value):
        return None
    if isinstance(value, str):
        _short(value, WORD)
    if isinstance(value, int) and not isinstance(value, bool) and value not in (0, 1):
        raise PydanticCustomError("field", "must be true or false.")
    return truth(value) or value


def _date(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | None):
        raise _wrong("a date as text", value)
    return None if value is None else _short(value, 100)


def _category(value: Any, most: int = WORD) -> Any:
    if not isinstance(value, bool | int | float | str | None):
        raise _wrong("a category", value)
    if isinstance(value, int | float) and not (abs(value) < 1e15 and math.isfinite(value)):
        raise PydanticCustomError("field", "must be a category: a number of it is below 1e15.")
    return _short(value, most) if isinstance(value, str) else value


def _vector(value: Any, size: int) -> list[float] | None:
    if _nothing(value):
        return None
    if not isinstance(value, list | str):
        raise _wrong(f"a list of {size} numbers", value)
    if isinstance(value, list) and any(isinstance(x, bool) or not isinstance(x, int | float) for x in value):
        raise PydanticCustomError("field", f"must be a list of {size} numbers.")
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused
        found = vector(value) if len(value) <= 100 * size + 1000 else None
    if found is None or len(found) != size:
        got = f"; got {len(value)}" if isinstance(value, list) else ""
        raise PydanticCustomError("field", f"must be a list of {size} finite numbers{got}.")
    return found.tolist()
