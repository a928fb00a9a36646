"""Texts to token ids: a byte-pair encoding learned on the training rows, any language."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from sensorium.data.cells import is_missing
from sensorium.data.padding import pad
from sensorium.data.redaction import check_redaction, redact
from sensorium.errors import ConfigError

__all__ = ["TextReader", "as_text", "learn_tokenizer", "pieces_of", "redact_texts"]

PADDING, UNKNOWN = 0, 1
LONGEST = 512  # tokens; enough for a page, and recurrence or attention over more costs a CPU dearly


def learn_tokenizer(texts: Iterable[str], vocabulary: int, pieces: bool = False) -> Tokenizer:
    """A byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2) of at most `vocabulary` entries, lower-cased.

    Every byte is an entry, so no text of any language is ever unknown. A pair must occur twice to be merged.
    Chinese, Japanese and Thai write no spaces; there a 'word' is a run of letters and merges work inside it.

    pieces: `texts` are what `pieces_of` made of texts, in any order: what is learned is the same.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=not pieces)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=["[PAD]", "[UNK]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return tokenizer


def pieces_of(text: str) -> list[str]:
    """A text's words and marks, with the space before them: the parts inside which pairs are merged.

    Example:
        >>> pieces_of("It's here")
        [' it', "'s", ' here']
    """
    text = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]).normalize_str(text)
    text = text if text.startswith(" ") else f" {text}"
    parts = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    return [text[start:end] for _, (start, end) in parts]


class TextReader:
    """A column of texts to token ids.

    Args:
        column: its name.
        vocabulary: entries at most; None: one for each 100 characters to learn from, 1,000 to 16,000.
        max_tokens: longer texts are cut, and noted; None: a quarter more than 98 % of the training texts need,
            `longest` at most.
        longest: tokens.
        tokenizer: of a pretrained model, as JSON; None: one is learned from the rows.
        redact: addresses and numbers of people are replaced before anything is learned or read, see `data.redaction`.
    """

    modality = "text"

    def __init__(
        self,
        column: str,
        vocabulary: int | None = None,
        max_tokens: int | None = None,
        longest: int = LONGEST,
        tokenizer: str | None = None,
        redact: bool = False,
    ):
        if redact:
            check_redaction()
        self.redact = redact
        self.columns, self.vocabulary, self.max_tokens, self.longest = (column,), vocabulary, max_tokens, longest
        self.given = tokenizer is not None
        self.tokenizer: Tokenizer | None = Tokenizer.from_str(tokenizer) if self.given else None

    def fit(self, rows: Sequence[Sequence[Any]]) -> None:
        texts = [self.text(cell) for (cell,) in rows if not is_missing(cell)]
        if not self.given:
            wanted = self.vocabulary or int(np.clip(sum(map(len, texts)) // 100, 1000, 16000))
            self.tokenizer = learn_tokenizer(texts, wanted)
        self.vocabulary = self.tokenizer.get_vocab_size()
        if self.max_tokens is None:
            lengths = [len(code.ids) for code in self.tokenizer.encode_batch(texts[:5000])]
            self.max_tokens = int(np.clip(1.25 * np.quantile(lengths, 0.98) if lengths else 8, 8, self.longest))
        if self.given:  # it cuts by itself, and keeps the marks of beginning and end
            self.tokenizer.enable_truncation(self.max_tokens)

    def text(self, cell: Any) -> str:
        """A cell's text as it is read."""
        return redact(as_text(cell)).text if self.redact else as_text(cell)

    def read(self, cells: Sequence[Any], note: Callable[[str, str], None]) -> np.ndarray | None:
        """Token ids (tokens,), or None where there is no text."""
        (cell,) = cells
        if is_missing(cell):
            return None
        code = self.tokenizer.encode(self.text(cell))
        ids = code.ids
        count = len(ids) + sum(len(part.ids) for part in code.overflowing)
        if count > self.max_tokens:
            note("cut", f"the text has {count} tokens, more than {self.max_tokens}")
        return np.asarray(ids[: self.max_tokens] or [UNKNOWN], dtype=np.int64)

    def collate(self, items: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
        return pad([None if item is None else item for item in items], np.int64)

    def state(self) -> dict[str, Any]:
        text = self.tokenizer.to_str()
        told = {"column": self.columns[0], "max_tokens": self.max_tokens, "tokenizer": text, "given": self.given}
        return {**told, "redact": True} if self.redact else told

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "TextReader":
        reader = cls(state["column"], max_tokens=state["max_tokens"], redact=state.get("redact", False))
        reader.given = state.get("given", False)
        reader.tokenizer = Tokenizer.from_str(state["tokenizer"])
        reader.vocabulary = reader.tokenizer.get_vocab_size()
        return reader


def redact_texts(readers: Mapping[str, Any]) -> None:
    """Make all readers of texts redact.

    Raises:
        ConfigError: there is none, or the libraries are not installed.
    """
    found = [reader for reader in readers.values() if isinstance(reader, TextReader)]
    if not found:
        raise ConfigError(f"redact is for texts, and none is read: the inputs are {', '.join(readers)}. Leave it out.")
    check_redaction()
    for reader in found:
        reader.redact = True


def as_text(cell: Any) -> str:
    return "\n".join(map(str, cell)) if isinstance(cell, list | tuple | np.ndarray) else str(cell)
