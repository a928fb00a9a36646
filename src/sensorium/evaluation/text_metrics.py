"""Metrics of written texts, from counts of each row that add up: a bootstrap sample costs a sum."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from sensorium.errors import ConfigError

__all__ = ["TEXT_METRICS", "check_installed", "is_chinese", "statistics", "words"]

HAN, KANA = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff", "\u3040-\u30ff"
BLEU, CHRF, REST = slice(0, 10), slice(10, 28), slice(28, 30)  # columns of `statistics`


def statistics(truth: Sequence[str], said: Sequence[str]) -> np.ndarray:
    """What the metrics are made of: (N, 30), counts of BLEU and chrF, ROUGE-L's F1, and whether both texts are the same.

    Where most texts are Chinese, BLEU takes sacrebleu's Chinese tokens.

    Raises:
        ConfigError: sacrebleu or rouge_score is not installed.
    """
    bleu, chrf, rouge = _scorers(is_chinese(truth))
    truth, said = list(truth), list(said)
    # sacrebleu's own way to its bootstrap; it has no public one.
    parts = [np.array(scorer._extract_corpus_statistics(said, [truth]), dtype=np.float64) for scorer in (bleu, chrf)]
    pairs = list(zip(truth, said, strict=True))
    rest = [(rouge.score(a, b)["rougeL"].fmeasure, a.strip() == b.strip()) for a, b in pairs]
    return np.concatenate([*parts, np.array(rest, dtype=np.float64)], axis=1)


def bleu(truth: np.ndarray, output: np.ndarray) -> float:
    """From 0 to 100: sacrebleu's of all rows together; where no text has four tokens, of as many as there are."""
    return float(_scorers(False)[0]._compute_score_from_stats(output[:, BLEU].sum(0).tolist()).score)


def chrf(truth: np.ndarray, output: np.ndarray) -> float:
    """From 0 to 100: sacrebleu's chrF2 of all rows together."""
    return float(_scorers(False)[1]._compute_score_from_stats(output[:, CHRF].sum(0).tolist()).score)


def rouge_l(truth: np.ndarray, output: np.ndarray) -> float:
    return float(output[:, REST][:, 0].mean())


def exact_match(truth: np.ndarray, output: np.ndarray) -> float:
    """The share of rows whose text is the true one, letter by letter."""
    return float(output[:, REST][:, 1].mean())


TEXT_METRICS = {"chrf": chrf, "bleu": bleu, "rouge_l": rouge_l, "exact_match": exact_match}


def is_chinese(texts: Sequence[str]) -> bool:
    """Whether most of them have a Chinese character and no Japanese syllable.

    Example:
        >>> is_chinese(["一只红色的猫", "a cat", "Mate 60 手机"])
        True
    """
    found = sum(bool(re.search(f"[{HAN}]", text)) and not re.search(f"[{KANA}]", text) for text in texts)
    return found > len(texts) / 2


def words(text: str) -> list[str]:
    """Lower-cased words, each Chinese character one of its own; as rouge_score's where all is English.

    Example:
        >>> words("A red-brown 猫咪!")
        ['a', 'red', 'brown', '猫', '咪']
    """
    return re.findall(f"[{HAN}]|[^\\W_{HAN}]+", text.lower())


class _Words:
    """As rouge_score asks for it; its own tokenizer knows letters from a to z alone."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def check_installed() -> None:
    """Refuse to begin what can't be scored at its end.

    Raises:
        ConfigError: sacrebleu or rouge_score is not installed.
    """
    _scorers(False)


@cache
def _scorers(chinese: bool) -> tuple[Any, Any, Any]:
    try:
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics import BLEU as Bleu
        from sacrebleu.metrics import CHRF as Chrf
    except ImportError as error:
        raise ConfigError(
            "texts are scored by sacrebleu and rouge_score. Install them with: pip install 'sensorium[generation]'"
        ) from error
    # Effective order: texts of three words can have no four in common, which sacrebleu else calls 0.
    return (
        Bleu(tokenize="zh" if chinese else "13a", effective_order=True),
        Chrf(),
        RougeScorer(["rougeL"], tokenizer=_Words()),
    )
