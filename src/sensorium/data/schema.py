"""Which column is what: guessed from content first, then from the name, with the reason said."""

import datetime
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sensorium.data.cells import is_missing, is_wave, says_nothing, split_bag
from sensorium.data.table import Table
from sensorium.data.tabular import NO, YES, label, vector
from sensorium.data.targets import number
from sensorium.errors import ConfigError, MediaError, did_you_mean
from sensorium.media import EXTENSIONS, sniff
from sensorium.media.loader import probe_files
from sensorium.media.motion import CODECS

__all__ = ["MODALITIES", "Column", "Schema", "guess_schema"]

MEDIA = ("audio", "image", "video")
MODALITIES = (*MEDIA, "boolean", "categorical", "date", "identifier", "ignored", "numeric", "text", "vector")
PROBED = {"audio": 1000, "image": 200, "video": 100}  # files whose headers are read to learn sizes and lengths

# Scripts written without spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
ID_NAME = re.compile(
    r"(?i:(^|[_\s-])(id|uid|uuid|guid|key|index|idx|no|number)$|^unnamed: 0$|[^\x00-\x7f]id$|(编号|序号)$)|[a-z]I[dD]$"
)
DATE = re.compile(
    r"^\s*(\d{4}[-/.年]\d{1,2}([-/.月]\d{1,2}日?)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2} [A-Za-z]{3,9} \d{4}"
    r"|[A-Za-z]{3,9} \d{1,2}, \d{4})"
    r"([T\s]+\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?\s*$"
)


@dataclass(frozen=True)
class Column:
    """What a column is.

    Args:
        name: as in the table.
        modality: one of MODALITIES.
        reason: why, for people.
        missing: rows without a value.
        unique: different values, among the rows looked at.
        bag: the most files in one cell.
        facts: sizes in pixels (height, width), lengths in seconds or characters, rates in Hz.
    """

    name: str
    modality: str
    reason: str
    missing: int = 0
    unique: int = 0
    bag: int = 1
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in its order."""

    columns: dict[str, Column]
    rows: int

    def of(self, *modalities: str) -> list[Column]:
        """The columns of these modalities."""
        return [column for column in self.columns.values() if column.modality in modalities]

    def to_json(self) -> dict[str, Any]:
        return {"rows": self.rows, "columns": [asdict(column) for column in self.columns.values()]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Schema":
        return cls({column["name"]: Column(**column) for column in data["columns"]}, data["rows"])


def guess_schema(
    table: Table,
    overrides: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
    sample: int = 1000,
    seed: int = 0,
) -> Schema:
    """Guess what every column of `table` is.

    Args:
        table: the rows; `sample` of them, drawn with `seed`, are looked at.
        overrides: column -> modality, where the user knows better.
        ignore: columns to leave out.

    Raises:
        ConfigError: a column that the table lacks, or an unknown modality.
    """
    overrides = dict(overrides or {})
    for name in (*overrides, *ignore):
        if name not in table.columns:
            raise ConfigError(f"{table.name} has no column '{name}'. {did_you_mean(name, table.columns)}")
    for name, modality in overrides.items():
        if modality not in MODALITIES:
            raise ConfigError(
                f"--as {name}={modality}: unknown modality '{modality}'. {did_you_mean(modality, MODALITIES)}"
            )
    random = np.random.default_rng(seed)
    rows = np.arange(len(table)) if len(table) <= sample else np.sort(random.choice(len(table), sample, replace=False))
    columns = {}
    for name in table.columns:
        cells = table.cells(name)
        missing = sum(map(is_missing, cells))
        filled = [cells[row] for row in rows if not is_missing(cells[row])]
        if name in ignore:
            modality, reason = "ignored", "you said so"
        elif name in overrides:
            modality, reason = overrides[name], "you said so"
        elif missing == len(cells):
            modality, reason = "ignored", "every cell is empty"
        else:
            modality, reason = _guess(name, filled or [c for c in cells if not is_missing(c)], table, cells)
        facts = _facts(modality, filled, table)
        bag = max((len(split_bag(cell)) for cell in cells), default=1) if modality in MEDIA else 1
        columns[name] = Column(name, modality, reason, missing, _unique(filled), max(bag, 1), facts)
    return Schema(columns, len(table))


def _unique(cells: Sequence[Any]) -> int:
    return len({repr(cell)[:500] if not isinstance(cell, str) else cell for cell in cells})


def _guess(name: str, cells: Sequence[Any], table: Table, every: Sequence[Any]) -> tuple[str, str]:
    of = f"of {len(cells)} cells looked at"
    items = [item for cell in cells for item in split_bag(cell)]
    if kinds := Counter(kind for item in items if (kind := _media_kind(item, table)) is not None):
        kind, count = kinds.most_common(1)[0]
        if count >= 0.5 * len(items):
            return kind, _media_reason(kind, count, items, table)
    arrays = [
        c for c in cells if isinstance(c, list | tuple | np.ndarray) or (isinstance(c, str) and c.strip()[:1] == "[")
    ]
    if len(arrays) > 0.9 * len(cells):
        sizes = Counter(len(v) for c in arrays if (v := vector(c)) is not None)
        size, count = sizes.most_common(1)[0] if sizes else (0, 0)
        if count >= 0.9 * len(cells):
            return "vector", f"{count} {of} hold {size} numbers"
    texts = [label(cell) for cell in cells]
    unique = len(set(texts))
    if _constant(every):
        return "ignored", f"every filled cell says '{texts[0][:40]}'"
    if {text.lower() for text in texts} <= YES | NO and unique <= 2:
        return "boolean", "two values: " + ", ".join(sorted(set(texts)))
    said = [cell for cell in cells if not says_nothing(cell)]
    numeric = sum(number(cell) is not None for cell in said) / max(1, len(said))
    if _is_identifier(name, cells, texts, unique):
        return "identifier", f"{unique} different values {of}, and named or numbered like an identifier"
    if numeric >= 0.9 and not _are_codes(texts):
        return "numeric", f"{numeric:.0%} of {len(said)} cells looked at are numbers"
    if all(isinstance(c, datetime.date | np.datetime64) for c in cells):
        return "date", "the table says so"
    if said and np.mean([bool(DATE.match(label(cell))) for cell in said]) >= 0.9:
        return "date", "cells are written like dates"
    return _words(texts, unique, of)


def _constant(cells: Sequence[Any]) -> bool:
    """Whether every filled cell says the same."""
    first = None
    for cell in cells:
        if not is_missing(cell):
            if first is None:
                first = label(cell)
            elif label(cell) != first:
                return False
    return first is not None


def _words(texts: Sequence[str], unique: int, of: str) -> tuple[str, str]:
    """Text or category. Where a script has no spaces, two characters count as a word."""
    words = float(np.median([len(t.split()) + len(UNSPACED.findall(t)) / 2 for t in texts]))
    share = unique / len(texts)
    if words >= 4 and (unique > 20 or share > 0.5):
        return "text", f"{words:.0f} words in the middle cell, {unique} different texts {of}"
    if unique <= 50 or share < 0.3:
        return "categorical", f"{unique} different values {of}"
    return "text", f"{unique} different values {of}, too many for categories"


def _is_identifier(name: str, cells: Sequence[Any], texts: Sequence[str], unique: int) -> bool:
    if unique < 0.95 * len(texts) or len(texts) < 5 or max(map(len, texts)) > 64 or any(" " in t for t in texts):
        return False
    named = bool(ID_NAME.search(name))
    if all(re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-9a-f]{16,64}", t) for t in texts):
        return True
    if unique == len(texts) and (_are_codes(texts) or all(re.fullmatch(r"[A-Za-z]+[-_]?[0-9]+", t) for t in texts)):
        return True
    if all(number(cell) is not None for cell in cells):
        return named and all(float(number(cell)).is_integer() for cell in cells)
    return named


def _are_codes(texts: Sequence[str]) -> bool:
    """Whether digits are a name, not an amount: '007', '01234'."""
    return all(t.isdigit() for t in texts) and any(len(t) > 1 and t[0] == "0" for t in texts)


def _media_kind(item: Any, table: Table) -> str | None:
    if isinstance(item, str):
        if len(item) > 1024 or "\n" in item:
            return None
        kind = EXTENSIONS.get(Path(item).suffix.lower())
        if kind is not None or "." in item[-6:]:
            return kind
        return None
    if isinstance(item, bytes):
        return sniff(item[:32])
    if isinstance(item, Image.Image):
        return "image"
    if is_wave(item):
        return "audio"
    if isinstance(item, np.ndarray) and item.dtype != object:
        if item.ndim == 4:
            return "video"
        if item.ndim == 3 or (item.ndim == 2 and min(item.shape) > 8):
            return "image"
    return None


def _media_reason(kind: str, count: int, items: Sequence[Any], table: Table) -> str:
    paths = [item for item in items if isinstance(item, str)]
    if not paths:
        return f"{count} of {len(items)} items looked at are {kind} data"
    gone = 0
    for path in paths[:200]:
        try:
            gone += not Path(table.resolve(path)).is_file()
        except (MediaError, OSError, ValueError):
            gone += 1
    lost = f"; {gone} of {len(paths[:200])} files are not there" if gone else ""
    return f"{count} of {len(items)} items looked at name {kind} files{lost}"


def _facts(modality: str, cells: Sequence[Any], table: Table) -> dict[str, Any]:
    """Sizes and lengths that good defaults are chosen from."""
    if modality == "text":
        lengths = [len(str(cell)) for cell in cells] or [0]
        return {"characters": float(np.median(lengths)), "most_characters": max(lengths)}
    if modality not in MEDIA:
        return {}
    items = [item for cell in cells for item in split_bag(cell)]
    step = max(1, len(items) // PROBED[modality])
    found = _measure(items[::step], table)
    facts: dict[str, Any] = {}
    sizes = [(info["height"], info["width"]) for info in found if info.get("height")]
    if sizes:
        facts["size"] = [int(x) for x in np.median(np.array(sizes), axis=0)]
    for name in ("seconds", "sample_rate", "fps"):
        values = [info[name] for info in found if info.get(name)]
        if values:
            facts[name] = float(np.median(values))
            if name == "seconds":
                facts["most_seconds"] = float(max(values))
    if modality == "video":
        facts["has_audio"] = any(info.get("has_audio") for info in found)
        facts["has_motion"] = sum(info.get("codec") in CODECS for info in found) > 0.9 * len(found)
    return facts


def _measure(items: Sequence[Any], table: Table) -> list[dict[str, Any]]:
    """Sizes and lengths of what can be read."""
    found, files = [], []
    for item in items:
        if isinstance(item, Image.Image):
            found.append({"height": item.height, "width": item.width})
        elif is_wave(item):
            found.append({"seconds": len(item[0]) / item[1], "sample_rate": item[1]})
        elif isinstance(item, np.ndarray):
            shape = item.shape[1:] if item.ndim == 4 else item.shape
            first = 1 if len(shape) == 3 and shape[0] == 3 else 0
            if len(shape) > first + 1:
                found.append({"height": shape[first], "width": shape[first + 1]})
        else:
            try:
                files.append(table.resolve(item))
            except MediaError:
                continue
    return found + [asdict(info) for info in probe_files(files) if not isinstance(info, MediaError)]
