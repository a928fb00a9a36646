"""Metrics of texts against sacrebleu and rouge_score themselves."""

import builtins

import numpy as np
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from sensorium.errors import ConfigError
from sensorium.evaluation import text_metrics
from sensorium.evaluation.metrics import score
from sensorium.evaluation.text_metrics import is_chinese, statistics, words

TRUTH = [
    "the quick brown fox jumps over the lazy dog", "a cat sat on the mat, quietly", "It isn't raining at all today.",
    "two birds sing in the old tree", "a man rides a red bicycle along the sea",
]  # fmt: skip
SAID = [
    "the quick red fox jumps over a lazy dog", "a cat sat on a mat", "it is raining today", "two birds are in the tree",
    "a man rides a red bicycle along the sea",
]  # fmt: skip
CHINESE = ["一只红色的猫坐在垫子上", "两只鸟在树上唱歌。", "一个人在海边骑着自行车"]
ANSWERS = ["一只猫坐在红色的垫子上", "两只鸟在树上", "一个人骑自行车"]


def of(truth, said, resamples=0, seed=0):
    return score("generation", np.array(truth, dtype=object), statistics(truth, said), resamples, seed)


def value(truth, said, name):
    return of(truth, said)[name]["value"]


def test_bleu_and_chrf_are_sacrebleus():
    assert value(TRUTH, SAID, "bleu") == pytest.approx(sacrebleu.corpus_bleu(SAID, [TRUTH]).score, rel=1e-12)
    assert value(TRUTH, SAID, "chrf") == pytest.approx(sacrebleu.corpus_chrf(SAID, [TRUTH]).score, rel=1e-12)


def test_chinese_texts_are_told_apart_by_sacrebleus_chinese_tokens():
    expected = sacrebleu.corpus_bleu(ANSWERS, [CHINESE], tokenize="zh").score
    assert value(CHINESE, ANSWERS, "bleu") == pytest.approx(expected, rel=1e-12)
    assert expected > 2 * sacrebleu.corpus_bleu(ANSWERS, [CHINESE]).score
    assert value(CHINESE, ANSWERS, "rouge_l") > 0.5


def test_bleu_of_texts_too_short_for_four_tokens():
    truth, said = ["a red star", "a blue star"], ["a red star", "a red star"]
    expected = sacrebleu.metrics.BLEU(effective_order=True).corpus_score(said, [truth]).score
    assert value(truth, said, "bleu") == pytest.approx(expected, rel=1e-12)
    assert value(truth, truth, "bleu") == pytest.approx(100)


def test_rouge_is_rouge_scores_own_for_english():
    scorer = RougeScorer(["rougeL"])
    expected = np.mean([scorer.score(a, b)["rougeL"].fmeasure for a, b in zip(TRUTH, SAID, strict=True)])
    assert value(TRUTH, SAID, "rouge_l") == pytest.approx(expected, rel=1e-12)


def test_exact_match_is_of_letters():
    assert value(["a star", "a Star", "a star"], ["a star ", "a star", "star"], "exact_match") == pytest.approx(1 / 3)


def test_nothing_said_scores_nothing():
    found = of(TRUTH, [""] * len(TRUTH))
    assert {name: told["value"] for name, told in found.items()} == dict.fromkeys(found, 0)
    assert list(found) == ["chrf", "bleu", "rouge_l", "exact_match"]


def test_the_interval_is_that_of_whole_texts_drawn_again():
    random, drawn = np.random.default_rng(7), []
    for _ in range(300):
        rows = random.integers(0, len(TRUTH), len(TRUTH))
        drawn.append(sacrebleu.corpus_chrf([SAID[row] for row in rows], [[TRUTH[row] for row in rows]]).score)
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = of(TRUTH, SAID, resamples=300, seed=7)["chrf"]
    assert (found["low"], found["high"]) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(CHINESE, True), (TRUTH, False), (["これは猫です", "赤い星"], False), ([], False), (["Mate 60 手机", "x"], False)],
)
def test_is_chinese(texts, expected):
    assert is_chinese(texts) is expected


def test_words_of_other_scripts():
    assert words("Über_mut: дом, 2nd 猫咪") == ["über", "mut", "дом", "2nd", "猫", "咪"]


def test_a_missing_package_is_named(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("sacrebleu"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    text_metrics._scorers.cache_clear()
    with pytest.raises(ConfigError, match=r"sacrebleu and rouge_score.*pip install 'sensorium\[generation\]'"):
        text_metrics.check_installed()
    text_metrics._scorers.cache_clear()
