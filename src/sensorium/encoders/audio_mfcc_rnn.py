"""Sound by MFCCs and a recurrent network."""

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction
from sensorium.encoders.features import Features
from sensorium.encoders.mfcc import MFCC, delta
from sensorium.encoders.norm import MaskedBatchNorm
from sensorium.encoders.recurrent import BiGRU
from sensorium.encoders.rows import encode_present
from sensorium.encoders.spec_augment import SpecAugment
from sensorium.encoders.time_conv import TimeConv, pool_time

__all__ = ["AudioMFCCRNN"]


class AudioMFCCRNN(nn.Module):
    """MFCCs with their slopes, one convolution that shortens time to a quarter, then a two-way GRU.

    For sounds in which the order of events matters.

    Reference:
        Davis and Mermelstein, 1980 (MFCC); Cho et al., 2014 (GRU); Park et al., 2019 (masking in training).

    Args:
        width: size of a token.
        sample_rate: of the recordings, in Hz.
        n_mfcc: coefficients, at most n_mels.
        n_mels: mel bands.
        hidden: GRU units a direction.
        layers: GRU layers.
        dropout: in [0, 1).

    Shape:
        values: (B, samples) float -1..1. mask: (B, samples) bool. Tokens: (B, T, width), 25 a second.

    Raises:
        ConfigError: a size can't be used.

    Example:
        >>> sound = torch.rand(1, 16000)
        >>> AudioMFCCRNN(width=16)(sound, torch.ones_like(sound, dtype=torch.bool)).tokens.shape
        torch.Size([1, 26, 16])
    """

    mask_dims = 2

    def __init__(
        self,
        width: int = 256,
        sample_rate: int = 16_000,
        n_mfcc: int = 20,
        n_mels: int = 64,
        hidden: int = 128,
        layers: int = 1,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.width = at_least("AudioMFCCRNN.width", width)
        at_least("AudioMFCCRNN.hidden", hidden)
        at_least("AudioMFCCRNN.layers", layers)
        fraction("AudioMFCCRNN.dropout", dropout)
        self.sample_rate = sample_rate
        self.mfcc = MFCC(sample_rate, n_mfcc, n_mels=n_mels)
        self.scale = MaskedBatchNorm(3 * n_mfcc)
        self.augment = SpecAugment()
        self.conv = TimeConv(3 * n_mfcc, hidden, 5, dropout)
        self.gru = BiGRU(hidden, hidden, layers, dropout)
        self.project = nn.Linear(2 * hidden, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        x, mask = self.mfcc(values, mask)  # (B, frames, n_mfcc)
        slope = delta(x, mask)
        x = torch.cat([x, slope, delta(slope, mask)], dim=2)  # (B, frames, 3 * n_mfcc)
        x = self.conv(self.augment(self.scale(x, mask), mask), mask)  # (B, frames, hidden)
        x, mask = pool_time(x, mask, 4)  # (B, frames / 4, hidden)
        x = self.norm(self.project(self.gru(x, mask)))  # (B, T, width)
        return Features(x.masked_fill(~mask[..., None], 0), mask)
