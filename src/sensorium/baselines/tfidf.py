"""Texts as weighted counts of their tokens and pairs of neighbouring tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.baselines.learned import Learned

__all__ = ["TfIdf"]

MOST = 20_000  # terms; the more frequent ones are kept
NONE = -1


class TfIdf(Learned):
    """TF-IDF of tokens and pairs, learned from training rows: a row of length 1, or of zeros where nothing is known.

    Reference:
        `TfidfVectorizer` of scikit-learn with ngram_range=(1, 2) and sublinear_tf=True: (1 + ln tf) * (ln((1 + n) /
        (1 + df)) + 1), then L2-normalised. In tables of more than 50 rows a term must be in two of them.

    Args:
        vocabulary: number of token ids.

    Shape:
        values: (B, T) int64. mask: (B, T) bool. Returns (B, terms) float; terms is known once fitted.
    """

    def __init__(self, vocabulary: int):
        super().__init__()
        self.vocabulary = vocabulary
        self.register_buffer("terms", torch.zeros(1, dtype=torch.int64))  # codes, rising
        self.register_buffer("weights", torch.zeros(1))  # inverse document frequencies

    def look(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What `fit` needs of a batch."""
        return values, mask

    def fit(self, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Learn the terms and their weights from all batches of (values, mask)."""
        rows = sum(len(values) for values, _ in batches)
        once = torch.cat([_distinct(self._codes(values, mask)) for values, mask in batches])
        terms, counts = once.unique(return_counts=True)  # in how many rows each is
        kept = counts >= (2 if rows > 50 else 1)
        terms, counts = terms[kept], counts[kept]
        if len(terms) > MOST:
            most = counts.argsort(descending=True, stable=True)[:MOST].sort().values
            terms, counts = terms[most], counts[most]
        if len(terms):
            self.terms, self.weights = terms, (torch.log((1 + rows) / (1 + counts.double())) + 1).float()

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        codes = self._codes(values, mask)  # (B, 2 T)
        place = torch.searchsorted(self.terms, codes).clamp(max=len(self.terms) - 1)
        known = (self.terms[place] == codes) & (codes != NONE)
        counts = torch.zeros(len(codes), len(self.terms), device=codes.device).scatter_add_(1, place, known.float())
        return F.normalize(torch.where(counts > 0, 1 + counts.clamp(min=1).log(), 0) * self.weights, dim=1)

    def spread(self, values: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
        """What each token adds to `forward(values, mask) @ weight`: (B, T). Each occurrence of a term adds the same; what
        a pair adds is halved between its tokens."""
        codes = self._codes(values, mask)  # (B, 2 T)
        place = torch.searchsorted(self.terms, codes).clamp(max=len(self.terms) - 1)
        known = (self.terms[place] == codes) & (codes != NONE)
        counts = torch.zeros(len(codes), len(self.terms), device=codes.device).scatter_add_(1, place, known.float())
        adds = (self(values, mask) * weight / counts.clamp(min=1)).gather(1, place) * known  # (B, 2 T)
        tokens, pairs = adds.chunk(2, 1)
        return tokens + pairs / 2 + F.pad(pairs, (0, 1))[:, 1:] / 2

    @property
    def size(self) -> int:
        """Features."""
        return len(self.terms)

    def _codes(self, values: Tensor, mask: Tensor) -> Tensor:
        """(B, 2 T): each token's number, and that of the pair it ends; NONE where there is none."""
        ids = values.masked_fill(~mask | (values < 0) | (values >= self.vocabulary), NONE)
        before = F.pad(ids, (1, 0), value=NONE)[:, :-1]
        pairs = ((before + 1) * self.vocabulary + ids).masked_fill((before == NONE) | (ids == NONE), NONE)
        return torch.cat([ids, pairs], 1)


def _distinct(codes: Tensor) -> Tensor:
    """The codes of each row, once a row."""
    codes = codes.sort(1).values
    first = F.pad(codes[:, 1:] != codes[:, :-1], (1, 0), value=True)
    return codes[first & (codes != NONE)]
