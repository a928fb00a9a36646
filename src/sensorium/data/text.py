"""Texts to token ids: a byte-pair encoding learned on the training rows, any language."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from sensorium.data.cells import is_missing
from sensorium.data.padding import pad

__all__ = ["TextReader", "learn_tokenizer"]

PADDING, UNKNOWN = 0, 1
LONGEST = 512  # tokens; enough for a page, and recurrence or attention over more costs a CPU dearly


def learn_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2) of at most `vocabulary` entries, lower-cased.

    Every byte is an entry, so no text of any language is ever unknown. A pair must occur twice to be merged.
    Chinese, Japanese and Thai write no spaces; there a 'word' is a run of letters and merges work inside it.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=["[PAD]", "[UNK]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class TextReader:
    """A column of texts to token ids.

    Args:
        column: its name.
        vocabulary: entries at most; None: one for each 100 characters to learn from, 1,000 to 16,000.
        max_tokens: longer texts are cut, and noted; None: a quarter more than 98 % of the training texts need,
            `longest` at most.
        longest: tokens.
        tokenizer: of a pretrained model, as JSON; None: one is learned from the rows.
    """

    modality = "text"

    def __init__(
        self,
        column: str,
        vocabulary: int | None = None,
        max_tokens: int | None = None,
        longest: int = LONGEST,
        tokenizer: str | None = None,
    ):
        self.columns, self.vocabulary, self.max_tokens, self.longest = (column,), vocabulary, max_tokens, longest
        self.given = tokenizer is not None
        self.tokenizer: Tokenizer | None = Tokenizer.from_str(tokenizer) if self.given else None

    def fit(self, rows: Sequence[Sequence[Any]]) -> None:
        texts = [as_text(cell) for (cell,) in rows if not is_missing(cell)]
        if not self.given:
            wanted = self.vocabulary or int(np.clip(sum(map(len, texts)) // 100, 1000, 16000))
            self.tokenizer = learn_tokenizer(texts, wanted)
        self.vocabulary = self.tokenizer.get_vocab_size()
        if self.max_tokens is None:
            lengths = [len(code.ids) for code in self.tokenizer.encode_batch(texts[:5000])]
            self.max_tokens = int(np.clip(1.25 * np.quantile(lengths, 0.98) if lengths else 8, 8, self.longest))
        if self.given:  # it cuts by itself, and keeps the marks of beginning and end
            self.tokenizer.enable_truncation(self.max_tokens)

    def read(self, cells: Sequence[Any], note: Callable[[str, str], None]) -> np.ndarray | None:
        """Token ids (tokens,), or None where there is no text."""
        (cell,) = cells
        if is_missing(cell):
            return None
        code = self.tokenizer.encode(as_text(cell))
        ids = code.ids
        count = len(ids) + sum(len(part.ids) for part in code.overflowing)
        if count > self.max_tokens:
            note("cut", f"the text has {count} tokens, more than {self.max_tokens}")
        return np.asarray(ids[: self.max_tokens] or [UNKNOWN], dtype=np.int64)

    def collate(self, items: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        return pad([None if item is None else item for item in items], np.int64)

    def state(self) -> dict[str, Any]:
        text = self.tokenizer.to_str()
        return {"column": self.columns[0], "max_tokens": self.max_tokens, "tokenizer": text, "given": self.given}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "TextReader":
        reader = cls(state["column"], max_tokens=state["max_tokens"])
        reader.given = state.get("given", False)
        reader.tokenizer = Tokenizer.from_str(state["tokenizer"])
        reader.vocabulary = reader.tokenizer.get_vocab_size()
        return reader


def as_text(cell: Any) -> str:
    return "\n".join(map(str, cell)) if isinstance(cell, list | tuple | np.ndarray) else str(cell)
