"""Text by a Transformer."""

from torch import Tensor, nn

from sensorium.encoders.attention import Transformer, sinusoidal
from sensorium.encoders.checks import at_least, fraction, multiple
from sensorium.encoders.features import Features
from sensorium.encoders.graph import in_graph
from sensorium.encoders.rows import encode_present
from sensorium.encoders.text_ids import known_ids
from sensorium.errors import ConfigError

__all__ = ["TextTransformer"]


class TextTransformer(nn.Module):
    """Self-attention over the tokens, for a few thousand rows or more.

    Reference:
        Vaswani et al., 2017, the encoder. Differs: pre-norm; positions start as sines and are learned.

    Args:
        vocabulary: number of token ids; 0 is padding, 1 is unknown.
        width: size of a token, a multiple of num_heads.
        layers: Transformer blocks.
        num_heads: attention heads.
        max_tokens: longest text in tokens.
        dropout: in [0, 1).

    Shape:
        values: (B, T) int64, an id outside the vocabulary reads as unknown. mask: (B, T) bool. Tokens: (B, T, width).

    Raises:
        ConfigError: a size can't be used; a text is longer than max_tokens.

    Example:
        >>> import torch
        >>> ids = torch.tensor([[5, 6, 0]])
        >>> TextTransformer(vocabulary=10, width=16)(ids, ids != 0).tokens.shape
        torch.Size([1, 3, 16])
    """

    mask_dims = 2

    def __init__(
        self,
        vocabulary: int,
        width: int = 256,
        layers: int = 4,
        num_heads: int = 4,
        max_tokens: int = 512,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.vocabulary = at_least("TextTransformer.vocabulary", vocabulary, 2)
        self.width = multiple("TextTransformer.width", width, "num_heads", num_heads)
        self.max_tokens = at_least("TextTransformer.max_tokens", max_tokens)
        at_least("TextTransformer.layers", layers)
        fraction("TextTransformer.dropout", dropout)
        self.word = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(sinusoidal(max_tokens, width))
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)
        self.transformer = Transformer(width, layers, num_heads, dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        if not in_graph():
            values, mask = self._cut(values, mask)
        x = self.word(known_ids(values, mask, self.vocabulary)) + self.place[: values.shape[1]]  # (B, T, width)
        return Features(self.transformer(self.drop(self.norm(x)), mask), mask)

    def _cut(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        if mask[:, self.max_tokens :].any():
            longest = int(mask.nonzero()[:, 1].max()) + 1
            raise ConfigError(
                f"TextTransformer.max_tokens must be at least the longest text's tokens ({longest}); "
                f"got {self.max_tokens}. Cut the text, or train with a larger max_tokens."
            )
        return values[:, : self.max_tokens], mask[:, : self.max_tokens]  # (B, T), only padding cut
