"""Both languages say the same things, and whatever the page says is known."""

import re
from pathlib import Path

from sensorium.serving import page
from sensorium.serving.page.words import WORDS, words_of

FOLDER = Path(page.__file__).parent


def test_both_languages_put_in_the_same_values():
    assert len(WORDS) > 50
    for key, (english, chinese) in WORDS.items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), key
        assert english
        assert chinese
    assert words_of("zh")["ask"] == "回答"


def test_what_the_script_says_is_known_and_nothing_is_left_over():
    script, document = (FOLDER / "page.js").read_text("utf-8"), (FOLDER / "document.py").read_text("utf-8")
    said = set(re.findall(r'say\("([\w.]+)"', script))
    assert len(said) > 20
    assert said <= set(WORDS)
    used = {key for key in WORDS if f'"{key}"' in script + document}
    made = {key for key in WORDS if key.startswith(("kind.", "record."))}  # kind.${kind}, record.${kind}
    assert set(WORDS) - used - made == set()
