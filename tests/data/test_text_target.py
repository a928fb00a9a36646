"""Texts as tokens of a language model, and back."""

import dataclasses
import json

import numpy as np
import pytest
from tiny_language import learn

from sensorium.data.table import read_table
from sensorium.data.targets import TargetCoder, fit_target
from sensorium.data.text_target import TextCoder, fit_text, restore_coder
from sensorium.errors import ConfigError, DataError

TEXTS = ["a red square", "a blue star", "a red square", "红色的星星 🌟", "  a green star "]
TOKENIZER = learn(TEXTS).to_str()


def fit(cells=TEXTS, **more):
    return fit_text("caption", cells, TOKENIZER, {"model_type": "gpt2"}, 0, **more)


def test_texts_come_back_without_their_outer_spaces():
    coder = fit()
    values, mask = coder.encode([*TEXTS, None, ""])
    assert mask.tolist() == [True] * 5 + [False] * 2
    assert values.shape == (7, 2, coder.max_tokens)
    assert (values[:, 0] == -1).all()
    assert (values[5:] == -1).all()
    assert ((values[:5, 1] == 0).sum(1) == 1).all()
    assert (values[:5, 1, -1] == 0).any()  # the longest text ends in the last place
    said = np.where(values[:5, 1] == 0, -1, values[:5, 1])
    assert coder.decode(said).tolist() == [text.strip() for text in TEXTS]
    truth, there = coder.truth([*TEXTS, None])
    assert truth[there].tolist() == [text.strip() for text in TEXTS]


def test_a_long_text_is_cut_and_has_no_end():
    coder = fit(max_tokens=3)
    cells = ["a red square and more than that", None, "a"]
    values, _ = coder.encode(cells)
    assert values.shape == (3, 2, 3)
    assert values[0, 1].tolist() == learn(TEXTS).encode(cells[0]).ids[:3]
    assert values[2, 1, 1] == 0
    assert coder.cut(cells) == 1
    assert fit().cut(TEXTS) == 0
    assert fit(positions=6, prefix=2).max_tokens == 4


def test_what_is_asked_is_read_beside_it():
    coder = fit(prompt="question", positions=48, prefix=4)
    table = read_table({"question": ["a red", None], "caption": [None, "a star"]})
    values, mask = coder.read(table)
    assert mask.tolist() == [False, True]
    expected = learn(TEXTS).encode("a red", add_special_tokens=False).ids
    assert values[0, 0][values[0, 0] >= 0].tolist() == expected
    assert (values[0, 1] == -1).all()
    assert (values[1, 0] == -1).all()
    assert values[1, 1][values[1, 1] >= 0][-1] == 0
    values, mask = coder.read(read_table({"other": [1, 2]}))  # neither column is there
    assert not mask.any()
    assert (values == -1).all()
    assert coder.most_asked == 48 - 4 - coder.max_tokens


def test_the_usual_text():
    coder = fit()
    assert coder.usual == "a red square"
    assert coder.decode(coder.usual_answer(2)).tolist() == ["a red square"] * 2


def test_its_json_makes_it_again_without_the_folder(tmp_path):
    coder = dataclasses.replace(fit(prompt="question"), folder=tmp_path)
    state = json.loads(json.dumps(coder.to_json()))
    again = restore_coder(state)
    assert type(again) is TextCoder
    assert again == dataclasses.replace(coder, folder=None)
    label = fit_target("label", ["yes", "no", "yes", "no"], "classification")
    assert restore_coder(label.to_json()) == label
    assert (again.outputs, again.unknown(["never seen"])) == (0, [])


def test_which_rows_have_a_text_is_known_without_a_language_model():
    coder = fit_target("caption", TEXTS, "generation")
    assert type(coder) is TargetCoder
    assert coder.encode(["a", None, "never seen"])[1].tolist() == [True, False, True]


def test_the_same_text_everywhere():
    with pytest.raises(DataError, match="target 'caption' is 'a star' in every row; there is nothing to learn"):
        fit(["a star", "a star ", None])


def test_more_tokens_than_the_model_reads():
    assert fit(max_tokens=40, prefix=8, positions=48).max_tokens == 40
    with pytest.raises(ConfigError, match=r"targets\.caption: prefix \(8\) and max_tokens \(41\) must fit into the 48"):
        fit(max_tokens=41, prefix=8, positions=48)
    with pytest.raises(ConfigError, match=r"with room for what is asked\. Lower max_tokens"):
        fit(max_tokens=40, prefix=8, positions=48, prompt="question")
