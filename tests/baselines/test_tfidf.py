"""TF-IDF of token ids against scikit-learn's, on ids joined as words."""

import copy

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from sensorium.baselines import tfidf
from sensorium.baselines.tfidf import TfIdf
from sensorium.data.padding import pad


def batch(texts):
    return tuple(torch.from_numpy(part) for part in pad(texts, np.int64))


def texts(rows, seed=0, vocabulary=12):
    random = np.random.default_rng(seed)
    return [random.integers(2, vocabulary, random.integers(1, 9)) for _ in range(rows)]


def words(found):
    return ["" if ids is None else " ".join(map(str, ids)) for ids in found]


def fitted(*batches, vocabulary=100):
    model = TfIdf(vocabulary)
    model.fit([model.look(*batch(part)) for part in batches])
    return model


@pytest.mark.parametrize(("rows", "least"), [(60, 2), (40, 1)])
def test_it_is_scikit_learns(rows, least):
    train = texts(rows)
    other = [np.array([2, 3, 3, 99]), None, np.array([98, 97]), *texts(8, 1)]  # 98 and 97 are in no training row
    reference = TfidfVectorizer(token_pattern=r"\d+", ngram_range=(1, 2), min_df=least, sublinear_tf=True)
    reference.fit(words(train))
    model = fitted(train[:17], train[17:])  # however the rows are batched
    for part in (train, other):
        found, expected = model(*batch(part)).numpy(), reference.transform(words(part)).toarray()
        assert found.shape == expected.shape == (len(part), model.size)
        np.testing.assert_allclose(np.sort(found), np.sort(expected), atol=1e-6)  # columns in any order
        np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-6)
    assert not found[1:3].any()


def test_rows_without_a_text_count_as_documents():
    train = [None if i % 3 == 0 else ids for i, ids in enumerate(texts(60))]
    reference = TfidfVectorizer(token_pattern=r"\d+", ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    expected = reference.fit_transform(words(train)).toarray()
    found = fitted(train)(*batch(train)).numpy()
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-6)
    assert not found[::3].any()


def test_a_row_alone_is_the_row_in_a_batch_whatever_the_padding_holds():
    train = texts(30)
    model, (values, mask) = fitted(train), batch([*train[:6], None])
    together = model(values, mask)
    torch.testing.assert_close(model(values.masked_fill(~mask, 5), mask), together)
    for row in range(7):
        alone = model(*batch([train[row] if row < 6 else None]))
        torch.testing.assert_close(alone[0], together[row])


@pytest.mark.parametrize(
    "train",
    [[np.array([word]) for word in range(2, 62)], [None] * 60, [None]],
    ids=["no_word_occurs_twice", "no_text", "one_row"],
)
def test_nothing_to_learn_gives_one_feature_of_zeros(train):
    model = fitted(train)
    found = model(*batch([np.array([0, 1, 2]), None]))
    assert model.size == 1
    assert found.tolist() == [[0], [0]]


def test_a_vocabulary_of_two():
    model = fitted([np.array([0, 1]), np.array([1, 1]), np.array([1])], vocabulary=2)
    assert model.terms.tolist() == [0, 1, 3, 5]  # 0, 1 and the pairs (0, 1), (1, 1): (first + 1) * 2 + second
    reference = TfidfVectorizer(token_pattern=r"\d+", ngram_range=(1, 2), sublinear_tf=True)
    expected = reference.fit_transform(["0 1", "1 1", "1"]).toarray()[:, [0, 2, 1, 3]]  # its order: 0, "0 1", 1, "1 1"
    np.testing.assert_allclose(model(*batch([np.array(ids) for ids in ([0, 1], [1, 1], [1])])), expected, atol=1e-6)


def test_ids_beyond_the_vocabulary_are_nothing():
    model = fitted(texts(20))
    given, gap = torch.tensor([[3, 100, 4]]), torch.tensor([[3, 0, 4]])
    expected = model(gap, torch.tensor([[True, False, True]]))  # and no pair reaches over them
    torch.testing.assert_close(model(given, torch.ones(1, 3, dtype=torch.bool)), expected)
    torch.testing.assert_close(model(given - 101, torch.tensor([[False, True, False]])), torch.zeros_like(expected))


def test_of_many_terms_those_in_most_rows_are_kept(monkeypatch):
    monkeypatch.setattr(tfidf, "MOST", 3)
    model = fitted([np.array([7, 9]), np.array([9, 7]), np.array([9]), np.array([4, 4, 4, 4])])
    assert model.terms.tolist() == [4, 7, 9]  # 9 in three rows, 7 in two; of the rest the lowest code
    assert model.size == 3


def test_a_state_goes_into_another_of_any_size():
    model, other = fitted(texts(30)), TfIdf(100)
    other.load_state_dict(model.state_dict())
    given = batch(texts(5, 2))
    assert torch.equal(other(*given), model(*given))
    assert torch.equal(copy.deepcopy(model)(*given), model(*given))
    model.load_state_dict(TfIdf(100).state_dict())
    assert model.size == 1


def test_what_each_token_adds_is_its_terms_share():
    train = [*texts(40), np.array([5, 5, 7, 5])]
    model = fitted(train)
    values, mask = batch([np.array([5, 5, 7, 98]), None, train[0]])
    weight = torch.linspace(-1, 1, model.size)
    features = model(values, mask)
    found = model.spread(values, mask, weight)
    np.testing.assert_allclose(found.sum(1), features @ weight, atol=1e-6)
    assert not found[1].any()
    assert not found[0, 3]  # in no term
    # By hand: 5 twice, the pairs 5 5 and 5 7; each pair is halved between its tokens.
    code = {term: place for place, term in enumerate(model.terms.tolist())}
    adds = {term: float(features[0, place] * weight[place]) for term, place in code.items()}
    five, seven, same, other = adds[5], adds[7], adds[6 * 100 + 5], adds[6 * 100 + 7]
    by_hand = [five / 2 + same / 2, five / 2 + same / 2 + other / 2, seven + other / 2]
    np.testing.assert_allclose(found[0, :3], by_hand, atol=1e-6)
