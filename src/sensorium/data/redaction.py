"""Addresses and numbers of people in texts, replaced by what they are."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sensorium.data.cells import is_missing
from sensorium.errors import imported_for

if TYPE_CHECKING:
    from sensorium.data.schema import Schema
    from sensorium.data.table import Table

__all__ = ["KINDS", "Redacted", "check_redaction", "personal", "redact"]

KINDS = ("email", "iban", "id", "card", "phone")
REGIONS = ("CN", "US")  # whose telephone numbers are known without their country's code
# Full-width digits and signs as keyboards for Chinese write them, one for one, so that places stay.
NARROW = str.maketrans({chr(0xFEE0 + code): chr(code) for code in range(0x21, 0x7F)} | {"\u3000": " ", "\u2010": "-"})

EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
RESIDENT = re.compile(r"(?<!\d)\d{6} ?\d{8} ?\d{3}[\dXx](?!\d)")
SOCIAL = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
CARD = re.compile(r"(?<!\d)[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?!\d)|(?<!\d)3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?!\d)")
MOBILE = re.compile(r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)")


class Redacted(NamedTuple):
    """A text without them, and how many there were of each kind."""

    text: str
    found: Counter[str]


def redact(text: str) -> Redacted:
    """Replace e-mail addresses, telephone, bank and identity numbers by [EMAIL], [PHONE], [CARD], [IBAN] and [ID].

    Numbers count where their check digits hold: bank cards (Luhn), IBANs, resident identity numbers of China (18 places,
    with a date and a province), social security numbers of the USA as they are written. Telephone numbers: with a
    country's code those of every country, without one those of China and the USA.

    Raises:
        ConfigError: python-stdnum or phonenumbers is not installed.

    Example:
        >>> redact("write to ann@example.org or call 13812345678").text
        'write to [EMAIL] or call [PHONE]'
    """
    if "@" not in text and "＠" not in text and not any(letter.isdecimal() for letter in text):
        return Redacted(text, Counter())
    narrow = text.translate(NARROW)
    taken: list[tuple[int, int, str]] = []
    for kind, start, end in _spans(narrow):
        if all(end <= low or start >= high for low, high, _ in taken):
            taken.append((start, end, kind))
    found, place, parts = Counter(kind for *_, kind in taken), 0, []
    for start, end, kind in sorted(taken):
        parts += [text[place:start], f"[{kind.upper()}]"]
        place = end
    return Redacted("".join([*parts, text[place:]]), found)


def personal(table: "Table", schema: "Schema") -> dict[str, dict[str, int]]:
    """How often `redact` finds what, by column of texts."""
    found = {}
    for column in schema.of("text"):
        cells = (cell for cell in table.cells(column.name) if not is_missing(cell))
        counts = sum((redact(str(cell)).found for cell in cells), Counter())
        found[column.name] = {kind: counts[kind] for kind in KINDS if counts[kind]}
    return found


def _spans(text: str) -> Iterator[tuple[str, int, int]]:
    """What may be replaced, the surest kinds first."""
    for kind, pattern, valid in _checks():
        for match in pattern.finditer(text):
            if valid(match.group()):
                yield kind, match.start(), match.end()
    phones = _matcher()
    for region in REGIONS:
        for match in phones(text, region):
            yield "phone", match.start, match.end


def check_redaction() -> None:
    """
    Raises:
        ConfigError: python-stdnum or phonenumbers is not installed.
    """
    _checks()
    _matcher()


@cache
def _checks() -> tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...]:
    with imported_for("redacting texts", "python-stdnum", "redact"):
        from stdnum import iban, luhn
        from stdnum.cn import ric
        from stdnum.us import ssn

    def digits(text: str) -> str:
        return re.sub(r"[ -]", "", text)

    return (
        ("email", EMAIL, lambda _: True),
        ("iban", IBAN, iban.is_valid),
        ("id", RESIDENT, lambda text: ric.is_valid(digits(text).upper())),
        ("card", CARD, lambda text: 13 <= len(digits(text)) <= 19 and luhn.is_valid(digits(text))),
        ("id", SOCIAL, ssn.is_valid),
        ("phone", MOBILE, lambda _: True),
    )


@cache
def _matcher() -> Any:
    with imported_for("redacting texts", "phonenumbers", "redact"):
        from phonenumbers import PhoneNumberMatcher
    return PhoneNumberMatcher
