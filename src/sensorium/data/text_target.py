"""A target column of texts: as the tokens of a language model, and back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tokenizers import Tokenizer

from sensorium.data.cells import is_missing
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder, is_filled
from sensorium.data.text import as_text
from sensorium.errors import ConfigError, DataError

__all__ = ["TextCoder", "fit_text", "restore_coder"]

LONGEST = 256  # tokens of an answer, where nobody says how many


@dataclass
class TextCoder(TargetCoder):
    """Texts that a language model is to write, such as captions, or answers to the question of another column.

    Args:
        tokenizer: of the language model, as JSON of the library tokenizers.
        language: its configuration.
        end: the token that ends a text.
        max_tokens: of a text, with its end.
        most_asked: tokens of a question.
        prompt: the column of the questions; None: nothing is asked.
        usual: the most frequent text of the training rows.
        folder: of the model's weights; None where they come from a run.
    """

    tokenizer: str = ""
    language: dict[str, Any] = field(default_factory=dict)
    end: int = 0
    max_tokens: int = LONGEST
    most_asked: int = LONGEST
    prompt: str | None = None
    usual: str = ""
    folder: Path | None = None

    def __post_init__(self) -> None:
        self._tokenizer = Tokenizer.from_str(self.tokenizer)

    def read(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """As `encode`, with what is asked; of a table without the texts all are missing."""
        there = set(table.columns)
        cells, asked = (
            table.cells(column) if column in there else [None] * len(table) for column in (self.name, self.prompt)
        )
        return self.encode(cells, asked)

    def encode(self, cells: Sequence[Any], asked: Sequence[Any] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (N, 2, T), those asked and those of the text with its end, -1 where there are none; a mask (N,)."""
        mask = np.array([is_filled(cell, self.task) for cell in cells], dtype=bool)
        texts = [ids and [*ids, self.end][: self.max_tokens] for ids in self._ids(cells)]
        questions = [
            ids and ids[: self.most_asked] for ids in self._ids([None] * len(cells) if asked is None else asked)
        ]
        longest = max([1, *(len(ids) for ids in [*texts, *questions] if ids is not None)])
        values = np.full((len(cells), 2, longest), -1, dtype=np.int32)
        for place, both in enumerate(zip(questions, texts, strict=True)):
            for part, ids in enumerate(both):
                if ids is not None:
                    values[place, part, : len(ids)] = ids
        return values, mask

    def cut(self, cells: Sequence[Any]) -> int:
        """How many texts are longer than `max_tokens`: what is learned of them is their beginning, and no end."""
        return sum(ids is not None and len(ids) >= self.max_tokens for ids in self._ids(cells))

    def truth(self, cells: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """The texts themselves, and a mask (N,): what answers are scored against."""
        mask = np.array([is_filled(cell, self.task) for cell in cells], dtype=bool)
        texts = [as_text(cell).strip() if there else "" for cell, there in zip(cells, mask, strict=True)]
        return np.array(texts, dtype=object), mask

    def unknown(self, cells: Sequence[Any]) -> list[str]:
        return []

    def decode(self, output: np.ndarray) -> pd.Series:
        """Texts for tokens (N, T), -1 after the last."""
        texts = self._tokenizer.decode_batch([row[row >= 0].tolist() for row in output], skip_special_tokens=True)
        return pd.Series([text.strip() for text in texts], name=self.name, dtype=object)

    def usual_answer(self, rows: int) -> np.ndarray:
        """The output of always writing the most frequent text: (rows, T)."""
        (ids,) = self._ids([self.usual])
        return np.tile(np.array(ids[: self.max_tokens - 1], dtype=np.int64), (rows, 1))

    def to_json(self) -> dict[str, Any]:
        return {part.name: getattr(self, part.name) for part in fields(self) if part.name != "folder"}

    def _ids(self, cells: Sequence[Any]) -> list[list[int] | None]:
        """Each cell's tokens, None where it is empty."""
        filled = [place for place, cell in enumerate(cells) if not is_missing(cell)]
        codes = self._tokenizer.encode_batch(
            [as_text(cells[place]).strip() for place in filled], add_special_tokens=False
        )
        found: list[list[int] | None] = [None] * len(cells)
        for place, code in zip(filled, codes, strict=True):
            found[place] = code.ids
        return found


def restore_coder(state: dict[str, Any]) -> TargetCoder:
    """The coder of a run folder's target, from what its `to_json` gave."""
    if state["task"] == "generation":
        return TextCoder(**{**state, "folder": None})  # the run has the weights
    return TargetCoder(**state)


def fit_text(
    name: str,
    cells: Sequence[Any],
    tokenizer: str,
    language: dict[str, Any],
    end: int,
    max_tokens: int | None = None,
    prefix: int = 0,
    positions: int | None = None,
    prompt: str | None = None,
    folder: Path | None = None,
) -> TextCoder:
    """A coder of the training rows' texts.

    Args:
        name, cells: of the target column.
        tokenizer, language, end, prompt, folder: as of `TextCoder`.
        max_tokens: of a text, with its end; None: as many as the longest of `cells` has, LONGEST and what the model
            reads at most.
        prefix: tokens that the model is told before them.
        positions: tokens that the model reads at once; None: any number.

    Raises:
        DataError: all texts are the same.
        ConfigError: the model reads too few tokens.
    """
    filled = [as_text(cell).strip() for cell in cells if is_filled(cell, "generation")]
    counts = Counter(filled)
    if len(counts) == 1:
        raise DataError(f"target '{name}' is {filled[0][:40]!r} in every row; there is nothing to learn.")
    usual = counts.most_common(1)[0][0]
    coder = TextCoder(
        name, "generation", tokenizer=tokenizer, language=language, end=end, prompt=prompt, usual=usual, folder=folder
    )
    if max_tokens is None:
        longest = int((coder.encode(filled)[0][:, 1] >= 0).sum(1).max())
        left = longest if positions is None else positions - prefix - (prompt is not None)
        coder.max_tokens = min(longest, max(left, 2))
    else:
        coder.max_tokens = max_tokens
    if positions is not None:
        coder.most_asked = min(LONGEST, positions - prefix - coder.max_tokens)
        if coder.most_asked < (prompt is not None):
            raise ConfigError(
                f"targets.{name}: prefix ({prefix}) and max_tokens ({coder.max_tokens}) must fit into the {positions} tokens "
                f"that the model reads{'' if prompt is None else ', with room for what is asked'}. Lower max_tokens."
            )
    return coder
