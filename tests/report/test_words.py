"""Both languages say the same."""

import re
import string
from pathlib import Path

import pytest

import sensorium.report
from sensorium.errors import ConfigError
from sensorium.evaluation.corruptions import CORRUPTIONS
from sensorium.evaluation.metrics import METRICS
from sensorium.pictures.diagram_svg import WORDS as OF_THE_PICTURE
from sensorium.report import words as module
from sensorium.report.words import WORDS, Words

SOURCES = sorted(Path(sensorium.report.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_take_the_same_values(key):
    english, chinese = ({field for _, field, *_ in string.Formatter().parse(text) if field} for text in WORDS[key])
    assert english == chinese
    assert all(WORDS[key])


def test_every_word_that_is_asked_for_is_there():
    used = {key for path in SOURCES for key in re.findall(r'words\("([\w. ]+)"', path.read_text())}
    assert len(used) > 80
    assert used <= set(WORDS)


def test_metrics_and_damage_have_chinese_names():
    """But those of texts, whose names are names."""
    assert set(module.METRICS) == {name for task, own in METRICS.items() if task != "generation" for name in own}
    assert set(module.DAMAGE) == {name for own in CORRUPTIONS.values() for name in own} | {"lost steps"}


def test_the_picture_of_the_network_has_all_its_words():
    for language in ("en", "zh"):
        assert set(Words(language).diagram()) == set(OF_THE_PICTURE)
    assert Words("en").diagram() == OF_THE_PICTURE


def test_curves_are_called_by_what_they_are():
    words = Words("en")
    assert [words.curve(n) for n in ("train_loss", "valid_loss", "valid_accuracy", "valid_r2 price")] == [
        "training", "validation", "accuracy", "price",
    ]  # fmt: skip


def test_in_chinese_the_programs_own_name_follows():
    assert Words("zh").metric("accuracy") == "准确率（accuracy）"
    assert Words("zh").metric("chrf") == "chrf"


def test_an_unknown_language():
    with pytest.raises(ConfigError, match=r"unknown language 'fr'\. There are: en, zh"):
        Words("fr")
