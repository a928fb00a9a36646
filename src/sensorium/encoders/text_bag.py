"""Text by its words and word pairs."""

from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction
from sensorium.encoders.features import Features
from sensorium.encoders.rows import encode_present
from sensorium.encoders.text_ids import known_ids

__all__ = ["TextBag"]

BUCKETS = 4096


class TextBag(nn.Module):
    """Each token is its own embedding and that of the pair it ends. No long-range order.

    The first thing to try on text: fast, and hard to beat on a few hundred rows.

    Reference:
        Joulin et al., 2017 (fastText). Differs: the mean is the fusion's pooling; LayerNorm and a small MLP before it.

    Args:
        vocabulary: number of token ids; 0 is padding, 1 is unknown.
        width: size of a token.
        dropout: in [0, 1).

    Shape:
        values: (B, T) int64, an id outside the vocabulary reads as unknown. mask: (B, T) bool. Tokens: (B, T, width).

    Raises:
        ConfigError: a size can't be used.

    Example:
        >>> import torch
        >>> ids = torch.tensor([[5, 6, 0]])
        >>> TextBag(vocabulary=10, width=16)(ids, ids != 0).tokens.shape
        torch.Size([1, 3, 16])
    """

    mask_dims = 2

    def __init__(self, vocabulary: int, width: int = 256, dropout: float = 0.3):
        super().__init__()
        self.vocabulary = at_least("TextBag.vocabulary", vocabulary, 2)
        self.width = at_least("TextBag.width", width)
        fraction("TextBag.dropout", dropout)
        self.word = nn.Embedding(vocabulary, width)
        self.pair = nn.Embedding(BUCKETS, width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width))
        self.last = nn.LayerNorm(width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        ids = known_ids(values, mask, self.vocabulary)
        before = nn.functional.pad(ids, (1, 0))[:, :-1]  # (B, T), the first token's is padding
        pairs = (before * 1_000_003 + ids * 7_919) % BUCKETS
        x = self.drop(self.norm(self.word(ids) + 0.5 * self.pair(pairs)))  # (B, T, width)
        x = self.last(x + self.mlp(x))
        return Features(x.masked_fill(~mask[..., None], 0), mask)
