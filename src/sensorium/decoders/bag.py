"""Of several pictures or recordings a row, the first one."""

import torch
from torch import Tensor, nn

__all__ = ["FirstOfBag"]


class FirstOfBag(nn.Module):
    """Lets a decoder of one item rebuild the first real item of a bag.

    Args:
        decoder: of one item.

    Shape:
        values: (B, N, ...) and mask: (B, N, ...), the decoder's own after N.
    """

    def __init__(self, decoder: nn.Module):
        super().__init__()
        self.decoder = decoder

    def forward(self, vector: Tensor) -> Tensor:
        return self.decoder(vector)

    def errors(self, made: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        first = mask.flatten(2).any(2).int().argmax(1) if mask.dim() > 2 else mask.int().argmax(1)  # (B,)
        row = torch.arange(len(values), device=values.device)
        return self.decoder.errors(made, values[row, first], mask[row, first])
