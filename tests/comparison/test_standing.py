"""Scores and standings of outcomes that are made up, so that every value is known."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, r2_score

from sensorium.comparison.cells import Cell
from sensorium.comparison.paired import holm, mcnemar
from sensorium.comparison.standing import Judge, in_words, standings
from sensorium.comparison.trials import Outcome
from sensorium.data.targets import TargetCoder

ROWS = 200
TRUTH = np.arange(ROWS) % 2
CODER = TargetCoder("label", "binary", ["no", "yes"], [100, 100])


def outcome(name, wrong, generation="classical", inputs=("a",), fusion="", cut=False):
    """A cell that answers the rows of `wrong` (one list a seed) wrongly, with 0.8 on its answer."""
    answers = np.stack([np.where(np.isin(np.arange(ROWS), rows), 1 - TRUTH, TRUTH) for rows in wrong])
    shares = np.where(np.eye(2)[answers] > 0, 0.8, 0.2)
    return Outcome(Cell(generation, name, inputs, fusion), shares, answers, 1.0, 10, cut=cut)


def few(count, start=0):
    return list(range(start, start + count))


@pytest.fixture
def judge():
    return Judge(CODER, TRUTH)


def test_scores_are_scikit_learns(judge):
    found = outcome("logistic", [few(31)])
    scores = judge.scores(found)
    assert scores["accuracy"] == accuracy_score(TRUTH, found.answers[0]) == 1 - 31 / ROWS
    assert scores["macro_f1"] == pytest.approx(f1_score(TRUTH, found.answers[0], average="macro"))
    assert scores["log_loss"] == pytest.approx(log_loss(TRUTH, found.output[0]))
    spread = 1.96 * np.sqrt(0.845 * 0.155 / ROWS)  # of a share
    assert scores["low"] == pytest.approx(0.845 - spread, abs=0.012)
    assert scores["high"] == pytest.approx(0.845 + spread, abs=0.012)


def test_answers_count_where_they_are_not_the_likeliest_class(judge):
    found = outcome("logistic", [few(10)])
    found.output = found.output[..., ::-1]  # as thresholds for rare classes may do
    assert judge.scores(found)["accuracy"] == 1 - 10 / ROWS


def test_an_svm_has_no_log_loss(judge):
    assert "log_loss" not in judge.scores(outcome("svm", [few(31)]))


def test_a_score_over_seeds_is_the_mean_and_its_interval_knows_of_them(judge):
    spread, even = outcome("rnn", [few(0), few(60)]), outcome("rnn", [few(30), few(30)])
    assert judge.value(spread, "accuracy") == judge.value(even, "accuracy") == pytest.approx(0.85)
    wide, narrow = (scores["high"] - scores["low"] for scores in map(judge.scores, (spread, even)))
    assert wide > 2 * narrow


def test_a_winner_is_better_than_every_other(judge):
    best, second, third = (outcome(name, [few(n)]) for name, n in (("svm", 10), ("logistic", 40), ("naive_bayes", 50)))
    found = standings(judge, [second, best, third])
    assert [found[each.cell][0] for each in (best, second, third)] == ["winner", "", ""]
    right = [each.answers[0] == TRUTH for each in (best, second, third)]
    wanted = holm([mcnemar(right[0], right[1]), mcnemar(right[0], right[2])])
    assert [found[each.cell][1] for each in (second, third)] == pytest.approx(wanted)
    told = in_words(judge, [second, best, third], found)
    assert told == "svm on a wins: it is better than each of the others on these 200 rows."


def test_without_a_winner_what_cannot_be_told_apart_is_marked(judge):
    best, near, far = outcome("svm", [few(10)]), outcome("logistic", [few(12, 50)]), outcome("naive_bayes", [few(80)])
    found = standings(judge, [near, far, best])
    assert [found[each.cell][0] for each in (best, near, far)] == ["best", "no worse", ""]
    told = in_words(judge, [near, far, best], found)
    assert told == "svm on a scores best, but another one can't be told from it on these 200 rows."


def test_many_tests_ask_for_more(judge):
    """One of p = 0.04 would do alone, and not beside another one."""
    best, near = outcome("svm", [few(10)]), outcome("logistic", [few(10, 50) + few(10, 100)])
    p = mcnemar(best.answers[0] == TRUTH, near.answers[0] == TRUTH)
    assert 0.05 < 2 * p  # 10 against 20 rows
    again = outcome("naive_bayes", [few(10, 70) + few(10, 120)])
    found = standings(judge, [best, near, again])
    assert found[near.cell][1] == pytest.approx(min(1, 2 * p))


def test_a_first_seed_that_says_the_opposite_is_no_proof(judge):
    better, worse = outcome("rnn", [few(60), few(0)]), outcome("cnn", [few(20), few(60)])
    assert judge.value(better, "accuracy") > judge.value(worse, "accuracy")
    assert mcnemar(*(each.answers[0] == TRUTH for each in (better, worse))) < 0.001
    assert standings(judge, [better, worse])[worse.cell] == ("no worse", 1.0)


def test_one_cell_wins_nothing(judge):
    only = outcome("svm", [few(3)])
    found = standings(judge, [only])
    assert found == {only.cell: ("best", None)}
    assert in_words(judge, [only], found) == "svm on a is the only one."
    assert standings(judge, []) == {}
    assert in_words(judge, [], {}) == "No cell was finished, so that there is nothing to compare."


def test_the_words_say_whether_fusion_and_networks_pay(judge):
    single = outcome("logistic", [few(60)])
    fused = outcome("cnn + rnn", [few(20)], "cnn_rnn", ("a", "b"), "gated", cut=True)
    told = in_words(judge, [single, fused], standings(judge, [single, fused]))
    assert told.startswith("cnn_rnn, gated on a + b wins: ")
    scores = "accuracy 0.900 (cnn_rnn, gated on a + b) against 0.700 (logistic on a), a difference of +0.200 ["
    assert f"Fusion beats the best single input, 'a': {scores}" in told
    assert f"The best network beats the best classical model: {scores}" in told
    assert told.endswith("which is sure (p = 1.8e-12); the time limit cut a network's training short.")
    assert 2 * 0.5**40 == pytest.approx(1.8e-12, rel=0.05)  # 40 rows against none
    told = in_words(
        judge, [single, outcome("cnn + rnn", [few(70)], "cnn_rnn", ("a", "b"), "gated")], standings(judge, [single])
    )
    assert "Fusion loses to the best single input, 'a': accuracy 0.650" in told


def test_numbers_are_tested_by_a_paired_bootstrap():
    random = np.random.default_rng(0)
    truth = random.normal(size=ROWS)
    coder = TargetCoder("price", "regression", mean=1.0, scale=2.0)
    judge = Judge(coder, truth)

    def numbers(name, noise, shift=0.0):
        output = truth + noise * random.normal(size=ROWS) + shift
        return Outcome(Cell("classical", name, ("a",)), output[None], np.zeros((1, ROWS), int), 1.0, 10)

    best, near, far = numbers("svm", 0.5), numbers("ridge", 0.5), numbers("other", 1.5)
    assert judge.metric == "r2"
    assert judge.scores(best)["r2"] == pytest.approx(r2_score(truth, best.output[0]))
    found = standings(judge, [best, near, far])
    assert sorted(word for word, _ in found.values()) == ["", "best", "no worse"]
    assert found[far.cell][0] == ""
    told = judge.difference(best, far)
    assert told["low"] < told["value"] < told["high"]
    assert told["value"] == pytest.approx(r2_score(truth, best.output[0]) - r2_score(truth, far.output[0]))
    assert told["p"] == pytest.approx(2 / 2001)


def test_labels_are_scored_by_micro_f1():
    random = np.random.default_rng(0)
    truth = (random.random((ROWS, 3)) < 0.4).astype(float)
    coder = TargetCoder("tags", "multilabel", ["a", "b", "c"], [80, 80, 80])
    output = np.clip(0.7 * truth + 0.5 * random.random((ROWS, 3)), 0, 1)
    found = Outcome(Cell("classical", "logistic", ("a",)), output[None], np.zeros((1, ROWS), int), 1.0, 10)
    assert Judge(coder, truth).scores(found)["micro_f1"] == pytest.approx(
        f1_score(truth, output > 0.5, average="micro")
    )
