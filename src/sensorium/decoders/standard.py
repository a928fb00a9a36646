"""Targets of rebuilding on one scale, whatever their unit."""

import torch
from torch import Tensor, nn

__all__ = ["Standard"]

FLOOR = 0.01  # of the channels' mean variance: what hardly varies is no great surprise when it does


class Standard(nn.Module):
    """Each channel less its mean, by its deviation, over all that was seen in training.

    Reference:
        Chan et al. 1979, for merging the moments of batches.

    Args:
        channels: the last dimension.

    Shape:
        (..., channels) in and out.

    Example:
        >>> standard = Standard(1).train()
        >>> _ = standard(torch.tensor([[1.0], [3.0]]))
        >>> float(standard.mean)
        2.0
    """

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    @torch.no_grad()
    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """`real`: (...) bool, the positions to learn from; None: all."""
        if self.training:
            self._learn(x.flatten(0, -2) if real is None else x[real])
        return (x - self.mean) / (self.variance + FLOOR * self.variance.mean() + 1e-8).sqrt()

    def _learn(self, x: Tensor) -> None:
        if not len(x):
            return
        count = self.count + len(x)
        step = x.mean(0) - self.mean
        squares = self.variance * self.count + len(x) * x.var(0, correction=0)
        self.variance.copy_((squares + step.square() * self.count * len(x) / count) / count)
        self.mean += step * len(x) / count
        self.count.copy_(count)
