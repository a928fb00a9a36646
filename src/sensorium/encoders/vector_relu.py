"""Ready-made vectors by one dense layer."""

from torch import Tensor, nn

from sensorium.encoders.checks import at_least, shaped
from sensorium.encoders.features import Features
from sensorium.encoders.rows import encode_present

__all__ = ["VectorReLU"]


class VectorReLU(nn.Module):
    """A vector of fixed size to one token: a dense layer and ReLU, nothing else.

    Reference:
        Nair and Hinton, 2010 (ReLU).

    Args:
        size: of the vector.
        width: size of the token.

    Shape:
        values: (B, size) float. mask: (B,) bool. Tokens: (B, 1, width), 0 or more each.

    Raises:
        ConfigError: a size can't be used; vectors of another size.

    Example:
        >>> import torch
        >>> VectorReLU(size=3, width=16)(torch.rand(2, 3), torch.tensor([True, False])).tokens.shape
        torch.Size([2, 1, 16])
    """

    mask_dims = 1

    def __init__(self, size: int, width: int = 64):
        super().__init__()
        self.size = at_least("VectorReLU.size", size)
        self.width = at_least("VectorReLU.width", width)
        self.dense = nn.Linear(size, width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        shaped("VectorReLU's values", values, ("rows", self.size))
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        return Features(self.dense(values.float()).relu()[:, None], mask[:, None])  # (B, 1, width), (B, 1)
