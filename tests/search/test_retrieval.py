"""Metrics of retrieval: ranks by hand, float64, chance by trying."""

import numpy as np
import pytest
import torch

from sensorium.data.table import read_table
from sensorium.encoders.features import Input
from sensorium.errors import ConfigError, DataError
from sensorium.search.retrieval import Right, _contents, _read, chance, ranks, score_ranks


def unit(count, size, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def alone(count):
    """No two rows hold the same."""
    return Right(np.arange(count), np.arange(count))


def test_ranks_of_four_rows_by_hand():
    # Angles in degrees; 95 is 5 from 100, 15 from 80, 75 from 170 and 85 from 10.
    queries, answers = (
        np.stack([np.cos(np.radians(a)), np.sin(np.radians(a))], 1) for a in ([0, 0, 95, 95], [10, 80, 100, 170])
    )
    found = ranks(queries, answers, alone(4))
    assert found.tolist() == [1, 2, 1, 3]
    assert score_ranks(np.array([1, 2, 1, 7]), resamples=0) == {
        "recall@1": {"value": 0.5, "low": 0.5, "high": 0.5},
        "recall@5": {"value": 0.75, "low": 0.75, "high": 0.75},
        "recall@10": {"value": 1.0, "low": 1.0, "high": 1.0},
        "mrr": {"value": pytest.approx((1 + 1 / 2 + 1 + 1 / 7) / 4), "low": pytest.approx(37 / 56), "high": pytest.approx(37 / 56)},
        "median_rank": {"value": 1.5, "low": 1.5, "high": 1.5},
    }  # fmt: skip


def test_ranks_are_those_of_float64():
    queries, answers = unit(700, 8, 0), unit(700, 8, 1)  # more than are compared at once
    near = queries.astype(np.float64) @ answers.astype(np.float64).T
    expected = 1 + (near > np.diag(near)[:, None]).sum(1)
    found = ranks(queries, answers, alone(700))
    assert (found == expected).mean() > 0.99  # float32 may order two answers of nearly one distance another way
    assert np.abs(found - expected).max() <= 2


def test_a_model_that_tells_nothing_apart_finds_nothing():
    same = np.tile(unit(1, 8, 0), (20, 1))
    assert ranks(same, same, alone(20)).tolist() == [20] * 20


def test_the_very_same_content_is_one_answer_and_right_whichever_row_it_stands_in():
    answers = np.eye(4)[[0, 1, 1, 2]]  # rows 1 and 2 hold the same answer
    queries = np.eye(4)[[1, 1, 1, 0]]
    # Rows 0 and 2 ask the same: what one finds is right for the other.
    right = Right(np.array([3, 4, 3, 1]), np.array([5, 7, 7, 9]))
    assert right.distinct.tolist() == [0, 1, 3]
    assert right.of(np.arange(4)).tolist() == [
        [True, True, False], [False, True, False], [True, True, False], [False, False, True],
    ]  # fmt: skip
    assert right.counts().tolist() == [2, 1, 2, 1]
    # Row 3 asks for what row 0 holds; what it should find is as far as what rows 1 and 2 hold.
    assert ranks(queries, answers, right).tolist() == [1, 1, 1, 3]


def test_chance_is_what_shuffling_comes_to():
    right = np.array([1, 1, 3, 5])
    expected = chance(right, 12)
    random = np.random.default_rng(0)
    drawn = np.array([[1 + random.permutation(12)[:good].min() for good in right] for _ in range(20_000)])
    assert expected["recall@1"] == pytest.approx((1 + 1 + 3 + 5) / 48)  # in closed form
    assert expected["recall@5"] == pytest.approx((drawn <= 5).mean(), abs=0.01)
    assert expected["recall@10"] == pytest.approx((drawn <= 10).mean(), abs=0.01)
    assert expected["mrr"] == pytest.approx((1 / drawn).mean(), abs=0.01)
    assert expected["median_rank"] == np.median(drawn)


def test_chance_where_one_is_right_is_that_of_even_ranks():
    found = chance(np.ones(50), 50)
    assert found["recall@10"] == pytest.approx(0.2)
    assert found["mrr"] == pytest.approx((1 / np.arange(1, 51)).mean())
    assert found["median_rank"] == 25
    assert chance(np.full(3, 3), 3) == {
        "recall@1": 1.0, "recall@5": 1.0, "recall@10": 1.0, "mrr": 1.0, "median_rank": 1.0,
    }  # fmt: skip


def test_an_interval_holds_a_binomial_share():
    ranks = np.repeat([1, 2], [300, 700])
    found = score_ranks(ranks, resamples=2000)["recall@1"]
    deviation = np.sqrt(0.3 * 0.7 / 1000)
    assert found["value"] == 0.3
    assert found["low"] == pytest.approx(0.3 - 1.96 * deviation, abs=0.005)
    assert found["high"] == pytest.approx(0.3 + 1.96 * deviation, abs=0.005)


def test_one_content_has_one_number_however_far_its_batch_is_padded(make, colours):
    predictor = make()
    long = {"photo": [str(colours.parent / "0.png")] * 3, "note": ["red", "red green blue red", "red"]}
    rows = predictor._rows(read_table(long), lambda _: None)
    _, content = _read(predictor.model, rows, 2)  # "red" beside a longer text, and alone
    assert content["note"][0] == content["note"][2] != content["note"][1]
    assert len(set(content["photo"].tolist())) == 1


def test_cells_are_told_apart_by_the_column_they_stand_in():
    values = torch.tensor([[1.0, 0.0, 2.0], [1.0, 2.0, 0.0], [1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    mask = torch.tensor([[True, False, True], [True, True, False], [True, True, True], [False, False, False]])
    first, second, third, none = _contents(Input(values, mask))
    assert len({first, second, third}) == 3
    assert none is None


def test_a_run_tells_how_well_words_find_pictures(make, colours):
    found = make().evaluate(colours)
    assert found["pairs"] == [
        {"query": "photo", "finds": "note", "rows": 9}, {"query": "note", "finds": "photo", "rows": 9},
    ]  # fmt: skip
    assert (found["rows"], found["left_out"], found["trust"]) == (9, 3, {})
    # A picture half white, (1, 1/2, 1/2), is nearer to yellow (cosine 0.866) than to red (0.816): so are two of the nine.
    score = found["metrics"]["photo->note.recall@1"]
    assert (score["value"], score["random"]) == (pytest.approx(7 / 9), pytest.approx(1 / 4))  # of four names
    assert found["metrics"]["photo->note.recall@5"]["value"] == 1.0
    assert found["metrics"]["photo->note.mrr"]["value"] == pytest.approx(8 / 9)
    assert found["metrics"]["note->photo.recall@1"]["value"] == 1.0
    # Of the nine pictures, so many are right for so many queries by a name:
    counts = {"red": 2, "green": 3, "blue": 2, "yellow": 2}
    expected = sum(count * count / 9 for count in counts.values()) / 9
    assert found["metrics"]["note->photo.recall@1"]["random"] == pytest.approx(expected)


def test_one_input_finds_nothing(make, colours):
    with pytest.raises(ConfigError, match=r"two aligned inputs are needed, one to ask by and one to find; got photo."):
        make().evaluate(colours, inputs=["photo"])


def test_rows_without_two_inputs_are_told(make):
    with pytest.raises(DataError, match=r"the table has no two rows that both hold two of photo, note."):
        make().evaluate({"photo": ["", ""], "note": ["red", "blue"]})
