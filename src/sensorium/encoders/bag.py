"""Several images, recordings or clips a row."""

from collections.abc import Callable

from torch import Tensor, nn

from sensorium.encoders.features import Features
from sensorium.encoders.rows import encode_present
from sensorium.errors import ConfigError

__all__ = ["Bag", "of_item"]


def of_item(encoder: nn.Module) -> nn.Module:
    """The encoder itself, of a bag that of its items."""
    return encoder.encoder if isinstance(encoder, Bag) else encoder


class Bag(nn.Module):
    """Lets an encoder of one item read a bag of N: its tokens are those of all items, one after the other.

    Use it where a row has up to N photos or recordings; only the items that are there are encoded.

    Args:
        encoder: any encoder of this package; it is shared by the items.

    Shape:
        values: (B, N, ...) and mask: (B, N, ...), the encoder's own after N. Tokens: (B, N * T, width).

    Raises:
        ConfigError: the encoder has no `width`; values and mask do not share B and N.

    Example:
        >>> import torch
        >>> from sensorium.encoders.vector import VectorDense
        >>> Bag(VectorDense(3, width=16))(torch.rand(2, 4, 3), torch.ones(2, 4, dtype=torch.bool)).tokens.shape
        torch.Size([2, 4, 16])
    """

    def __init__(self, encoder: nn.Module):
        super().__init__()
        if not hasattr(encoder, "width"):
            raise ConfigError(f"Bag.encoder must be an encoder, which has a width; got {type(encoder).__name__}.")
        self.encoder = encoder
        self.width: int = encoder.width
        self.mask_dims: int = getattr(encoder, "mask_dims", 1) + 1

    @property
    def frozen(self) -> bool:
        """See `Pretrained`, as for `look` and `adapt`."""
        return getattr(self.encoder, "frozen", False)

    def look(self, values: Tensor, mask: Tensor) -> Features:
        return self._each(self.encoder.look, values, mask, self.encoder.seen)

    def adapt(self, seen: Features) -> Features:
        return self.encoder.adapt(seen)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return self._each(self.encoder, values, mask, self.width)

    def _each(self, encode: Callable[[Tensor, Tensor], Features], values: Tensor, mask: Tensor, width: int) -> Features:
        if mask.dim() < 2 or values.shape[:2] != mask.shape[:2]:
            raise ConfigError(
                f"Bag's values and mask must share their first two sizes, rows and items; "
                f"got {tuple(values.shape)} and {tuple(mask.shape)}."
            )
        rows, items = values.shape[:2]
        tokens, real = encode_present(encode, values.flatten(0, 1), mask.flatten(0, 1), width)
        count = items * real.shape[1]
        return Features(tokens.reshape(rows, count, width), real.reshape(rows, count))  # (B, N * T, width)
