"""Tables, bars and words of pages."""

import re
import string

import pytest

from sensorium.errors import ConfigError
from sensorium.explain.page import bar, table
from sensorium.explain.words import WORDS, words_of
from sensorium.pictures.markup import Html


def test_a_bar_goes_to_the_side_of_its_sign_and_says_its_number():
    """The side and the number tell the sign; colour only repeats it."""
    right, left = bar(0.5, 2.0), bar(-2.0, 2.0)
    assert 'x="0.0" y="-3" width="12.5"' in right
    assert 'aria-label="+0.5"' in right
    assert 'x="-50.0" y="-3" width="50.0"' in left
    assert 'aria-label="-2"' in left
    assert 'd="M10.0 0H15.0"' in bar(0.5, 2.0, 0.4, 0.6)
    assert 'viewBox="-51 -5 102 10"' in left  # zero in the middle
    assert 'viewBox="-1 -5 52 10"' in bar(0.5, 2.0, 0.4, 0.6)  # and at the left end, where nothing is below it


def test_cells_are_escaped_unless_they_are_markup():
    found = table(["<i>"], [["<b>", 0.123456, 7, Html("<svg/>"), 0.00001234, 12345.0]])
    assert "<th>&lt;i&gt;</th>" in found
    assert "<td>&lt;b&gt;</td>" in found
    assert ">0.123</td>" in found
    assert ">7</td>" in found
    assert ">1.2e-05</td>" in found
    assert ">1.2e+04</td>" in found
    assert "<td><svg/></td>" in found


def test_every_language_has_the_same_words_with_the_same_gaps():
    def gaps(words):
        return {key: {name for _, name, _, _ in string.Formatter().parse(text) if name} for key, text in words.items()}

    assert gaps(WORDS["zh"]) == gaps(WORDS["en"])
    left = set().union(*gaps(WORDS["en"]).values())
    for text in WORDS["zh"].values():
        assert not set(re.findall("[a-z]+", text)) - left, text  # nothing is left in English


def test_an_unknown_language():
    with pytest.raises(ConfigError, match=r"unknown language 'cn'. There are: en, zh"):
        words_of("cn")
