"""HTML of values: what is text stays text."""

import pytest

from sensorium.pictures.markup import Html, bullets, esc, fold, join, note, number, plain, table, tag

EVIL = "<b>&\"'</b>"
SAFE = "&lt;b&gt;&amp;&quot;&#x27;&lt;/b&gt;"


def test_text_is_escaped_once_and_html_is_not():
    assert esc(EVIL) == SAFE
    assert esc(esc(EVIL)) == SAFE
    assert tag("p", EVIL, tag("i", EVIL)) == f"<p>{SAFE}<i>{SAFE}</i></p>"


@pytest.mark.parametrize(
    "made",
    [
        note(EVIL),
        bullets([EVIL]),
        fold(EVIL, EVIL),
        join([EVIL]),
        table([EVIL], [[EVIL, EVIL]], EVIL),
        tag("p", title=EVIL),
    ],
)
def test_nothing_of_a_users_is_html(made):
    assert isinstance(made, Html)
    assert "<b>" not in made
    assert SAFE in made


def test_attributes_are_named_as_html_has_them():
    assert tag("p", class_="note", aria_label="x", hidden=None) == '<p class="note" aria-label="x"></p>'


def test_the_first_column_of_a_table_names_its_rows():
    html = table(["a", "b"], [["x", 1]])
    assert '<th scope="col">a</th><th scope="col">b</th>' in html
    assert '<th scope="row">x</th><td>1</td>' in html


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.500"), (-12.3456, "-12.346"), (1e6, "1,000,000"), (None, "–"), (float("nan"), "–")]
)
def test_numbers(value, text):
    assert number(value) == text


def test_an_answer_is_a_class_or_a_number():
    assert plain("01") == "01"
    assert plain(1234.5678) == "1235"
