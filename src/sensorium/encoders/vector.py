"""Ready-made vectors: embeddings, sensor summaries, hand-made features."""

from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction, shaped
from sensorium.encoders.features import Features
from sensorium.encoders.rows import encode_present

__all__ = ["VectorDense"]


class VectorDense(nn.Module):
    """A vector of fixed size to one token, by a residual MLP.

    Reference:
        He et al., 2016 (the residual); Ba et al., 2016 (LayerNorm, which makes the vector's scale matter little).

    Args:
        size: of the vector.
        width: size of the token.
        dropout: in [0, 1).

    Shape:
        values: (B, size) float. mask: (B,) bool. Tokens: (B, 1, width).

    Raises:
        ConfigError: a size can't be used; vectors of another size.

    Example:
        >>> import torch
        >>> VectorDense(size=3, width=16)(torch.rand(2, 3), torch.tensor([True, False])).tokens.shape
        torch.Size([2, 1, 16])
    """

    mask_dims = 1

    def __init__(self, size: int, width: int = 256, dropout: float = 0.1):
        super().__init__()
        self.size = at_least("VectorDense.size", size)
        self.width = at_least("VectorDense.width", width)
        fraction("VectorDense.dropout", dropout)
        self.first = nn.Sequential(nn.Linear(size, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout))
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        shaped("VectorDense's values", values, ("rows", self.size))
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        x = self.first(values.float())  # (B, width)
        x = self.norm(x + self.mlp(x))
        return Features(x[:, None], mask[:, None])  # (B, 1, width), (B, 1)
