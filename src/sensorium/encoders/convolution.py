"""Convolutions that are right under bf16 on a processor, too."""

import torch
from torch import Tensor, nn

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

SMALL = 4  # positions along a side


class _Guarded:
    """Mixed into torch's convolutions: in 32 bits where bf16 on a processor gives wrong gradients.

    Seen with torch 2.13 (oneDNN) on AVX-512 BF16: the weights' gradient of bf16 convolutions over a map of few positions
    holds whatever was in memory: 1-D and 2-D where a side is 1 and the stride 2, 3-D for (T, H, W) = (2, 4, 4) at stride
    1. `benchmarks/bf16_convolution.py` counts it. Other shapes agreed with 32 bits; all 3-D ones are guarded, since no
    rule was found there.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and (x.ndim == 5 or min(x.shape[2:]) < SMALL):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float())
        return super().forward(x)


class Conv1d(_Guarded, nn.Conv1d):
    """torch.nn.Conv1d, guarded."""


class Conv2d(_Guarded, nn.Conv2d):
    """torch.nn.Conv2d, guarded."""


class Conv3d(_Guarded, nn.Conv3d):
    """torch.nn.Conv3d, guarded."""
