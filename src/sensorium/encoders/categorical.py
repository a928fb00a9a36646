"""One category a row."""

from torch import Tensor, nn

from sensorium.encoders.checks import at_least, shaped
from sensorium.encoders.features import Features
from sensorium.encoders.rows import encode_present

__all__ = ["Categorical"]


class Categorical(nn.Module):
    """A category to one token, where it is to be a modality of its own; many columns: Tabular.

    Reference:
        Guo and Berkhahn, 2016, "Entity Embeddings of Categorical Variables".

    Args:
        categories: how many are known.
        width: size of the token.

    Shape:
        values: (B, 1), codes: 1..categories, 0 or any other number = unknown. mask: (B, 1) bool. Tokens: (B, 1, width).

    Raises:
        ConfigError: a size can't be used; values of another shape.

    Example:
        >>> import torch
        >>> Categorical(categories=3, width=16)(torch.tensor([[2.0]]), torch.tensor([[True]])).tokens.shape
        torch.Size([1, 1, 16])
    """

    mask_dims = 2

    def __init__(self, categories: int, width: int = 256):
        super().__init__()
        self.categories = at_least("Categorical.categories", categories)
        self.width = at_least("Categorical.width", width)
        self.embed = nn.Embedding(categories + 1, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        shaped("Categorical's values", values, ("rows", 1))
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        codes = values.round().long() if values.is_floating_point() else values.long()
        codes = codes.masked_fill((codes < 0) | (codes > self.categories), 0)
        return Features(self.norm(self.embed(codes)), mask)  # (B, 1, width)
