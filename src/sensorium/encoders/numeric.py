"""One number a row."""

from torch import Tensor, nn

from sensorium.encoders.checks import at_least, shaped
from sensorium.encoders.features import Features
from sensorium.encoders.number_embedding import NumberEmbedding
from sensorium.encoders.rows import encode_present

__all__ = ["Numeric"]


class Numeric(nn.Module):
    """A number to one token, where a number is to be a modality of its own; many columns: Tabular.

    Reference:
        Gorishniy et al., 2022, "On Embeddings for Numerical Features".

    Args:
        width: size of the token.

    Shape:
        values: (B, 1) float, standardised. mask: (B, 1) bool. Tokens: (B, 1, width).

    Raises:
        ConfigError: width can't be used; values of another shape.

    Example:
        >>> import torch
        >>> Numeric(width=16)(torch.rand(2, 1), torch.tensor([[True], [False]])).tokens.shape
        torch.Size([2, 1, 16])
    """

    mask_dims = 2

    def __init__(self, width: int = 256):
        super().__init__()
        self.width = at_least("Numeric.width", width)
        self.embed = NumberEmbedding(1, 64)
        self.project = nn.Sequential(nn.Linear(64, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width))

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        shaped("Numeric's values", values, ("rows", 1))
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        return Features(self.project(self.embed(values.float())), mask)  # (B, 1, width)
