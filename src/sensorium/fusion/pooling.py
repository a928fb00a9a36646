"""Many tokens of a modality to one vector."""

import math

from torch import Tensor, nn

from sensorium.encoders.features import Features

__all__ = ["AttentionPool", "MeanPool"]


class AttentionPool(nn.Module):
    """A weighted mean of the real tokens; the weights are learned, and equal at the start.

    Reference:
        Ilse et al., 2018, without the gate and the hidden layer.

    Args:
        width: size of a token.

    Shape:
        tokens: (B, T, width), mask: (B, T). Returns (B, width), 0 for a row without a real token.

    Example:
        >>> import torch
        >>> tokens = torch.tensor([[[1.0], [3.0], [float("nan")]]])
        >>> AttentionPool(1)(Features(tokens, torch.tensor([[True, True, False]]))).item()
        2.0
    """

    def __init__(self, width: int):
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, features: Features) -> Tensor:
        tokens, mask = features
        tokens = tokens.masked_fill(~mask[..., None], 0)
        hide = ~mask & mask.any(1, keepdim=True)  # (B, T); nothing is hidden in an empty row, whose tokens are all 0
        weight = self.score(tokens)[..., 0].float().masked_fill(hide, -math.inf).softmax(1)  # (B, T)
        return (weight[..., None] * tokens).sum(1)  # (B, width)


class MeanPool(nn.Module):
    """The mean of the real tokens, without parameters.

    Args:
        width: size of a token.

    Shape:
        tokens: (B, T, width), mask: (B, T). Returns (B, width), 0 for a row without a real token.

    Example:
        >>> import torch
        >>> tokens = torch.tensor([[[1.0], [3.0], [float("nan")]]])
        >>> MeanPool(1)(Features(tokens, torch.tensor([[True, True, False]]))).item()
        2.0
    """

    def __init__(self, width: int):
        super().__init__()

    def forward(self, features: Features) -> Tensor:
        tokens, mask = features
        total = tokens.masked_fill(~mask[..., None], 0).sum(1)  # (B, width)
        return total / mask.sum(1, keepdim=True).clamp(min=1)
