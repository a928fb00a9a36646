import json
import unicodedata

import numpy as np
import pytest

from sensorium.data.text import TextReader, learn_tokenizer, pad

TEXTS = [
    "A fine bright day it was.",
    "这家餐厅的菜非常好吃，而且服务员也很热情。",
    "この映画はとても面白かったです。",
    "อาหารอร่อยมาก",
    "Καλημέρα, κόσμε! 🎉",
]


def fitted(texts=TEXTS, **options):
    reader = TextReader("note", **options)
    reader.fit([(text,) for text in texts])
    return reader


@pytest.fixture
def ids(read):
    """The tokens of each cell, as lists, and the problems noted."""

    def ids(reader, cells):
        values, mask, notes = read(reader, cells)
        return [row[there].tolist() for row, there in zip(values, mask, strict=True)], notes

    return ids


@pytest.mark.parametrize("text", [*TEXTS, "word never seen: žluťoučký", "한국어도", "\x00\ufffd", "a\tb\n c"], ids=repr)
def test_no_text_of_any_language_loses_a_byte(text, ids):
    reader = fitted(max_tokens=500)
    (tokens,), notes = ids(reader, [text])
    wanted = " " + unicodedata.normalize("NFKC", text).lower()
    assert reader.tokenizer.decode(tokens, skip_special_tokens=False) == wanted
    assert min(tokens) > 1  # neither padding nor unknown
    assert notes == []


def test_case_and_width_of_letters_make_no_difference(ids):
    items, _ = ids(fitted(), ["A FINE DAY", "a fine day", "Ａ ｆｉｎｅ ｄａｙ"])
    assert items[0] == items[1] == items[2]


def test_the_most_frequent_pair_is_merged_first():
    # Of the pairs in 'xab yab zab', (a, b) comes three times, all others once; 256 bytes and 2 marks come before it.
    tokenizer = learn_tokenizer(["xab yab zab"], 259)
    assert tokenizer.get_vocab_size() == 259
    assert tokenizer.token_to_id("ab") == 258
    assert tokenizer.encode("qab").tokens == ["Ġ", "q", "ab"]


def test_what_occurs_once_is_not_merged():
    assert learn_tokenizer(["abcdefgh"], 400).get_vocab_size() == 258


@pytest.mark.parametrize(("given", "most"), [(None, 1000), (300, 300)])
def test_the_vocabulary_has_a_bound(given, most):
    words = np.random.default_rng(0).choice(list("abcdefghijklmnopqrstuvwxyz"), size=(600, 8))
    assert fitted(["".join(word) for word in words] * 2, vocabulary=given).vocabulary == most


@pytest.mark.parametrize("cell", [None, "", "  \n", float("nan"), []], ids=repr)
def test_no_text_is_missing(cell, read):
    values, mask, notes = read(fitted(), [cell, "a fine day"])
    assert mask.any(1).tolist() == [False, True]
    assert not values[0].any()
    assert notes == []


def test_the_length_covers_nearly_all_training_texts_with_a_quarter_to_spare():
    # Unmerged: a token a letter, and one for the space before them.
    texts = ["x" * 19] * 90 + ["x" * 39] * 9 + ["x" * 399]
    assert fitted(texts, vocabulary=258).max_tokens == 50


@pytest.mark.parametrize(("texts", "options", "tokens"), [(["a"], {}, 8), ([None, ""], {}, 8), (["ab cd " * 900] * 3, {"longest": 64}, 64)])  # fmt: skip
def test_the_length_has_bounds(texts, options, tokens):
    assert fitted(texts, **options).max_tokens == tokens


def test_a_longer_text_is_cut_and_noted(ids):
    (cut, short), notes = ids(fitted(["a b"] * 3, vocabulary=258, max_tokens=4), ["a b c", "a b"])
    (whole,), _ = ids(fitted(["a b"] * 3, vocabulary=258, max_tokens=99), ["a b c"])
    assert cut == whole[:4]
    assert len(short) == 4
    assert notes == [(1, "cut", "the text has 6 tokens, more than 4")]


def test_a_list_of_texts_is_one_text_and_a_number_its_digits(ids):
    items, _ = ids(fitted(), [["a b", "c"], np.array(["a b", "c"]), "a b\nc", 17, "17"])
    assert items[0] == items[1] == items[2]
    assert items[3] == items[4]


def test_a_row_alone_is_the_row_in_a_batch_and_after_restoring(ids):
    reader = fitted()
    again = TextReader.restore(json.loads(json.dumps(reader.state())))
    assert (again.columns, again.max_tokens, again.vocabulary) == (("note",), reader.max_tokens, reader.vocabulary)
    cells = [*TEXTS, None]
    together, _ = ids(reader, cells)
    assert together == [ids(again, [cell])[0][0] for cell in cells]
    assert [bool(tokens) for tokens in together] == [True] * 5 + [False]


def test_padding_is_zero_and_masked():
    items = [np.ones((2, 3)), None, np.full((4, 3), 2.0)]
    values, mask = pad(items, np.float32)
    assert values.shape == (3, 4, 3)
    np.testing.assert_array_equal(mask.sum(1), [2, 0, 4])
    np.testing.assert_array_equal(values.sum((1, 2)), [6, 0, 24])
    assert not values[~mask].any()
    values, mask = pad([None, None], np.int64)
    assert values.shape == mask.shape == (2, 1)
    assert not mask.any()
