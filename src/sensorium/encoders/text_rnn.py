"""Text by a recurrent network."""

from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction
from sensorium.encoders.features import Features
from sensorium.encoders.recurrent import BiGRU
from sensorium.encoders.rows import encode_present
from sensorium.encoders.text_ids import known_ids

__all__ = ["TextRNN"]


class TextRNN(nn.Module):
    """A two-way GRU over the tokens, for texts in which order matters and rows are few.

    Reference:
        Cho et al., 2014 (GRU); Schuster and Paliwal, 1997 (two-way).

    Args:
        vocabulary: number of token ids; 0 is padding, 1 is unknown.
        width: size of a token.
        layers: GRU layers.
        dropout: in [0, 1).

    Shape:
        values: (B, T) int64, an id outside the vocabulary reads as unknown. mask: (B, T) bool. Tokens: (B, T, width).

    Raises:
        ConfigError: a size can't be used.

    Example:
        >>> import torch
        >>> ids = torch.tensor([[5, 6, 0]])
        >>> TextRNN(vocabulary=10, width=16)(ids, ids != 0).tokens.shape
        torch.Size([1, 3, 16])
    """

    mask_dims = 2

    def __init__(self, vocabulary: int, width: int = 256, layers: int = 1, dropout: float = 0.2):
        super().__init__()
        self.vocabulary = at_least("TextRNN.vocabulary", vocabulary, 2)
        self.width = at_least("TextRNN.width", width)
        at_least("TextRNN.layers", layers)
        fraction("TextRNN.dropout", dropout)
        size, hidden = min(width, 128), (width + 1) // 2
        self.word = nn.Embedding(vocabulary, size)
        self.drop = nn.Dropout(dropout)
        self.gru = BiGRU(size, hidden, layers, dropout)
        self.project = nn.Linear(2 * hidden, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        x = self.drop(self.word(known_ids(values, mask, self.vocabulary)))  # (B, T, size)
        x = self.norm(self.project(self.gru(x, mask)))  # (B, T, width)
        return Features(x.masked_fill(~mask[..., None], 0), mask)
