"""Batch normalisation that counts real positions only and never fails on a batch of one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["MaskedBatchNorm", "SafeBatchNorm2d"]


def _normalise(norm: nn.modules.batchnorm._BatchNorm, x: Tensor) -> Tensor:
    """Batch norm of x, channels second; by the running statistics where the batch has fewer than two values."""
    batch = norm.training and x.numel() // norm.num_features > 1
    momentum = 0.1 if norm.momentum is None else norm.momentum
    return F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=batch, momentum=momentum, eps=norm.eps
    )


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch norm over the real positions of sequences; masked positions come out 0.

    Use it after each convolution over time, so that padding neither shifts the statistics nor leaks into neighbours.

    Reference:
        Ioffe and Szegedy, 2015. Differs: masked; fewer than two real values in training -> the running statistics.

    Args:
        num_features: channels, the last dimension.

    Shape:
        x: (B, T, ..., C). mask: (B, T) bool. Returns (B, T, ..., C).

    Example:
        >>> MaskedBatchNorm(2)(torch.ones(1, 3, 2), torch.tensor([[True, True, False]])).shape
        torch.Size([1, 3, 2])
    """

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        channels = x.shape[-1]
        if not self.training:
            y = _normalise(self, x.reshape(-1, channels)).view(x.shape)
            return y.masked_fill(~mask.view(*mask.shape, *[1] * (x.dim() - 2)), 0)
        real = x[mask]  # (N, ..., C)
        y = _normalise(self, real.reshape(-1, channels)).view(real.shape)  # (N, ..., C)
        out = torch.zeros(x.shape, dtype=y.dtype, device=y.device)
        out[mask] = y
        return out


class SafeBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d that uses its running statistics where a training batch has one value a channel (one 1 x 1 image).

    Shape:
        (N, C, H, W) in and out.
    """

    def forward(self, input: Tensor) -> Tensor:
        return _normalise(self, input)
