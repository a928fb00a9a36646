"""Sound by MFCCs and a convolutional network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction, sizes
from sensorium.encoders.features import Features
from sensorium.encoders.mfcc import MFCC, delta
from sensorium.encoders.norm import MaskedBatchNorm
from sensorium.encoders.rows import encode_present
from sensorium.encoders.spec_augment import SpecAugment
from sensorium.encoders.time_conv import TimeConv, pool_time

__all__ = ["AudioMFCCCNN"]


class AudioMFCCCNN(nn.Module):
    """MFCCs with their first and second slopes, then residual convolutions over time.

    The first thing to try on speech and short sounds.

    Reference:
        Davis and Mermelstein, 1980 (MFCC); He et al., 2016 (the residual); Park et al., 2019 (masking in training).

    Args:
        width: size of a token.
        sample_rate: of the recordings, in Hz.
        n_mfcc: coefficients, at most n_mels.
        n_mels: mel bands.
        channels: of each stage; between stages time is halved.
        dropout: in [0, 1).

    Shape:
        values: (B, samples) float -1..1. mask: (B, samples) bool. Tokens: (B, T, width), 25 a second by default.

    Raises:
        ConfigError: a size can't be used.

    Example:
        >>> sound = torch.rand(1, 16000)
        >>> AudioMFCCCNN(width=16)(sound, torch.ones_like(sound, dtype=torch.bool)).tokens.shape
        torch.Size([1, 26, 16])
    """

    mask_dims = 2

    def __init__(
        self,
        width: int = 256,
        sample_rate: int = 16_000,
        n_mfcc: int = 20,
        n_mels: int = 64,
        channels: Sequence[int] = (128, 128, 128),
        dropout: float = 0.1,
    ):
        super().__init__()
        self.width = at_least("AudioMFCCCNN.width", width)
        channels = sizes("AudioMFCCCNN.channels", channels)
        fraction("AudioMFCCCNN.dropout", dropout)
        self.sample_rate = sample_rate
        self.mfcc = MFCC(sample_rate, n_mfcc, n_mels=n_mels)
        self.scale = MaskedBatchNorm(3 * n_mfcc)
        self.augment = SpecAugment()
        before = (3 * n_mfcc, *channels[:-1])
        self.stages = nn.ModuleList(
            TimeConv(c, out, 3 if i else 5, dropout) for i, (c, out) in enumerate(zip(before, channels, strict=True))
        )
        self.project = nn.Linear(channels[-1], width)
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        x, mask = self.mfcc(values, mask)  # (B, frames, n_mfcc)
        slope = delta(x, mask)
        x = torch.cat([x, slope, delta(slope, mask)], dim=2)  # (B, frames, 3 * n_mfcc)
        x = self.augment(self.scale(x, mask), mask)
        for i, stage in enumerate(self.stages):
            if i:
                x, mask = pool_time(x, mask, 2)  # (B, T / 2, C)
            x = stage(x, mask)
        x = self.norm(self.project(x))  # (B, T, width)
        return Features(x.masked_fill(~mask[..., None], 0), mask)
