"""Which addresses and numbers are replaced, and which only look like some."""

import sys

import pytest

pytest.importorskip("phonenumbers", reason="redacting needs 'sensorium[redact]'")
pytest.importorskip("stdnum", reason="redacting needs 'sensorium[redact]'")

from sensorium.data import redaction
from sensorium.data.redaction import personal, redact
from sensorium.data.schema import guess_schema
from sensorium.data.table import read_table
from sensorium.data.text import TextReader, redact_texts
from sensorium.errors import ConfigError


def resident(first):
    """A resident identity number of China: its check sign by ISO 7064, MOD 11-2, as GB 11643 says."""
    return (
        first
        + "10X98765432"[sum(int(d) * w for d, w in zip(first, [2**p % 11 for p in range(17, 0, -1)], strict=True)) % 11]
    )


def luhn(first):
    """A number with its check digit by Luhn's rule."""
    doubled = [int(d) * 2 if place % 2 == 0 else int(d) for place, d in enumerate(reversed(first))]
    return first + str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


ID, CARD, UNION = resident("11010519491231002"), luhn("411111111111111"), luhn("621700001000123456")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to Ann.Lee+x@mail.example.co.uk.", "write to [EMAIL]."),
        ("邮箱zhang.san@qq.com,谢谢", "邮箱[EMAIL],谢谢"),
        ("邮箱zhang＠qq．com谢谢", "邮箱[EMAIL]谢谢"),
        ("手机13812345678。", "手机[PHONE]。"),
        ("手机：138-1234-5678", "手机：[PHONE]"),
        ("+86 138 1234 5678", "[PHONE]"),
        ("手机１３８１２３４５６７８", "手机[PHONE]"),
        ("call +49 30 901820 or (202) 456-1111", "call [PHONE] or [PHONE]"),
        ("座机010-62345678转8", "座机[PHONE]转8"),
        (f"身份证号{ID}，", "身份证号[ID]，"),
        (f"id {ID.lower()}.", "id [ID]."),
        ("ssn 536-90-4399", "ssn [ID]"),
        (f"card {CARD}", "card [CARD]"),
        (f"card {CARD[:4]} {CARD[4:8]} {CARD[8:12]} {CARD[12:]}!", "card [CARD]!"),
        (f"银行卡{UNION}尾", "银行卡[CARD]尾"),
        ("amex " + luhn("37828224631000"), "amex [CARD]"),
        ("to DE89 3704 0044 0532 0130 00", "to [IBAN]"),
        (f"{ID} and a@b.cn and 13812345678", "[ID] and [EMAIL] and [PHONE]"),
    ],
)
def test_what_is_replaced(text, expected):
    assert redact(text).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing here",
        "on 2024-11-25 at 12:45:30",
        "price 1,234.50 or 99.99",
        "order 4111111111111112",  # the check digit is wrong
        f"id {ID[:-1]}{'1' if ID[-1] != '1' else '2'}",  # so is this one
        "110105194913310028",  # no such date
        "DE89 3704 0044 0532 0130 01",
        "build 20241125.3, version 1.2.3",
        "the secret number is 123456",
        "meet @noon",
        "第12345号",
    ],
)
def test_what_only_looks_like_it(text):
    assert redact(text).text == text
    assert not redact(text).found


def test_the_numbers_of_the_tests_are_made_as_the_norms_say():
    assert ID == "11010519491231002X"  # the example of GB 11643-1999
    assert luhn("7992739871") == "79927398713"  # the usual example of Luhn's rule


def test_a_reader_learns_and_reads_redacted_texts_and_stays_so():
    secret = f"{ID} ann@example.org"
    reader = TextReader("note", redact=True, max_tokens=60)
    reader.fit([(f"my number is {secret}",)] * 20)
    words = reader.tokenizer.get_vocab()
    assert not any(part in word for word in words for part in ("1010", "ann", "example"))
    again = TextReader.restore(reader.state())
    for one in (reader, again):
        read = one.tokenizer.decode(one.read([f"of {secret}"], lambda *_: None).tolist())
        assert read.strip() == "of [id] [email]"
    assert "redact" not in TextReader.restore({**reader.state(), "redact": False}).state()


def test_a_run_without_texts_has_nothing_to_redact():
    with pytest.raises(ConfigError, match="redact is for texts, and none is read: the inputs are photo"):
        redact_texts({"photo": object()})


def test_counts_of_a_table():
    table = read_table({"note": [f"call 138123456{n:02} now please {n}" for n in range(40)], "x": list(range(40))})
    assert personal(table, guess_schema(table, {"note": "text"})) == {"note": {"phone": 40}}


@pytest.mark.parametrize(("module", "library"), [("stdnum", "python-stdnum"), ("phonenumbers", "phonenumbers")])
def test_without_the_libraries_the_extra_is_named(monkeypatch, module, library):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(redaction, "_checks", redaction._checks.__wrapped__)
    monkeypatch.setattr(redaction, "_matcher", redaction._matcher.__wrapped__)
    with pytest.raises(
        ConfigError, match=rf"redacting texts needs {library}\. Install it with: pip install 'sensorium\[redact\]'"
    ):
        TextReader("note", redact=True)
