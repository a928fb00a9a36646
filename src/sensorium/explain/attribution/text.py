"""Texts, by words; by characters where no spaces are written."""

import re
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.data.batches import Rows
from sensorium.data.text import UNKNOWN
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.gradients import Inner, integrated_gradients
from sensorium.explain.attribution.pieces import Pieces, shapley
from sensorium.explain.part import Part

__all__ = ["Tokens", "explain_text", "tokenized", "word_pieces", "words"]

LETTERS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # each of them is a piece: kana and Chinese characters
WORD = re.compile(rf"[{LETTERS}]|[^\W{LETTERS}]+(?:['’-][^\W{LETTERS}]+)*|[^\w\s]")
MOST = 128  # pieces of a text that are taken away
# What stands for nothing in particular, the best first.
BLANKS = ("[MASK]", "<mask>", "[UNK]", "<unk>", "[PAD]", "<pad>")


class Tokens(NamedTuple):
    """A row's text and how its tokens lie in it.

    text: as it is in the table. spans: of its words. share: (T, words), how much of each token lies in each word; 0 of marks
    of beginning and end. read: how many of its characters the model reads.
    """

    text: str
    spans: list[tuple[int, int]]
    share: np.ndarray
    read: int


def explain_text(answer: Answer, rows: Rows, place: int, method: str) -> Part:
    """What each word adds: by the embeddings of its tokens, on the way from that of an unknown token, and by its terms in
    the wide part; shapley: by leaving out its tokens.
    """
    told = tokenized(answer, rows, place)
    beside, inner = answer.beside(), None
    if method != "shapley":
        nothing = _blank(answer, rows, told)
        inner = Inner(answer, answer.inside(nn.Embedding))
        others = inner.outputs(nothing)
        given = zip(inner.modules, inner.given, strict=True)
        inner = Inner(answer, [module for module, part in given if not torch.equal(part, others[module])])  # no places
    if inner is not None and inner.modules:
        method = "integrated_gradients"
        parts, expected = integrated_gradients(inner, inner.given, [[others[module] for module in inner.modules]])
        terms = answer.terms()
        tokens = terms + sum(part.sum(-1).reshape(-1) for part in parts)  # (T,)
        expected, beside = expected + float(terms.sum()), beside - float(terms.sum())
    else:
        method, beside = "shapley", 0.0
        pieces = word_pieces(answer, told)
        found, expected = shapley(answer, pieces)
        sizes = pieces.of.bincount(minlength=pieces.count + 1).clamp(min=1)
        tokens = (torch.cat([found, torch.zeros(1)]) / sizes)[pieces.of]  # (T,)
    labels = [told.text[start:end] for start, end in told.spans]
    shown = {"text": told.text, "spans": told.spans, "read": told.read}
    values = tokens.double().numpy() @ told.share
    return Part(answer.modality, "text", method, values, labels, expected, beside, shown)


def tokenized(answer: Answer, rows: Rows, place: int) -> Tokens:
    """The row's text as the model reads it."""
    reader = rows.readers[answer.modality]
    text = reader.text(rows.table.cells(reader.columns[0])[place])
    count = answer.values.shape[1]
    code, spans = reader.tokenizer.encode(text), words(text)
    offsets = code.offsets[:count]
    share = _shares(offsets, code.special_tokens_mask, spans, count)
    return Tokens(text, spans, share, max((end for _, end in offsets), default=0))


def word_pieces(answer: Answer, told: Tokens) -> Pieces:
    """The tokens of each word, of neighbouring words in a long text; those of one that is taken away are masked, and marks
    alone are no text.
    """
    free = told.share.any(1)  # (T,)
    _, piece = np.unique(told.share.argmax(1)[free], return_inverse=True)
    count = min(int(piece.max()) + 1, MOST)
    piece = piece * count // (piece.max() + 1)
    of = torch.full(free.shape, count)  # of marks: one more
    of[torch.from_numpy(free)] = torch.from_numpy(piece)

    def take(left: Tensor) -> tuple[Tensor, Tensor]:
        kept = torch.cat([left, left.any(1, keepdim=True)], 1)[:, of]  # (N, T)
        return answer.values.expand(len(left), -1), answer.mask & kept

    return Pieces(count, of, take)


def _blank(answer: Answer, rows: Rows, told: Tokens) -> Tensor:
    """The row's tokens, all but the marks replaced by one that stands for nothing in particular."""
    tokenizer = rows.readers[answer.modality].tokenizer
    blank = next((id for name in BLANKS if (id := tokenizer.token_to_id(name)) is not None), UNKNOWN)
    return torch.where(torch.from_numpy(told.share.any(1)), blank, answer.values)


def words(text: str) -> list[tuple[int, int]]:
    """Where each word, Chinese character and punctuation mark of a text begins and ends.

    Example:
        >>> [("It's 很好!")[a:b] for a, b in words("It's 很好!")]
        ["It's", '很', '好', '!']
    """
    return [found.span() for found in WORD.finditer(text)] or [(0, len(text))]


def _shares(offsets: list[tuple[int, int]], special: list[int], spans: list[tuple[int, int]], count: int) -> np.ndarray:
    """(T, words): how much of each token lies in each word; a token in none goes to the nearest."""
    starts, ends = np.array(spans).T
    share = np.full((count, len(spans)), 1 / len(spans))  # of a text without tokens, that is one unknown one
    for row, (first, last), mark in zip(share, offsets, special, strict=False):
        row[:] = 0
        if mark:
            continue
        common = (np.minimum(ends, last) - np.maximum(starts, first)).clip(min=0)
        if not common.any():
            common[np.maximum(starts - last, first - ends).argmin()] = 1
        row[:] = common / common.sum()
    return share
