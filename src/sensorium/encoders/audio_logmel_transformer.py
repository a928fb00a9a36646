"""Sound by a log-mel spectrogram and a Transformer."""

from torch import Tensor, nn

from sensorium.encoders.attention import Transformer, sinusoidal
from sensorium.encoders.checks import at_least, fraction, multiple
from sensorium.encoders.features import Features
from sensorium.encoders.graph import groups
from sensorium.encoders.mfcc import LogMelSpectrogram
from sensorium.encoders.norm import MaskedBatchNorm
from sensorium.encoders.rows import encode_present
from sensorium.encoders.spec_augment import SpecAugment

__all__ = ["AudioLogMelTransformer"]


class AudioLogMelTransformer(nn.Module):
    """Stretches of a log-mel spectrogram as tokens of a Transformer, for a few thousand recordings or more.

    Reference:
        Gong et al., 2021 (AST). Differs: a patch spans all bands, so that a recording may have any length.

    Args:
        width: size of a token, a multiple of num_heads.
        sample_rate: of the recordings, in Hz.
        n_mels: mel bands.
        patch_frames: frames of 10 ms in a token.
        layers: Transformer blocks.
        num_heads: attention heads.
        dropout: in [0, 1).

    Shape:
        values: (B, samples) float -1..1. mask: (B, samples) bool. Tokens: (B, T, width), 25 a second by default.

    Raises:
        ConfigError: a size can't be used.

    Example:
        >>> import torch
        >>> sound = torch.rand(1, 16000)
        >>> AudioLogMelTransformer(width=16)(sound, torch.ones_like(sound, dtype=torch.bool)).tokens.shape
        torch.Size([1, 26, 16])
    """

    mask_dims = 2

    def __init__(
        self,
        width: int = 256,
        sample_rate: int = 16_000,
        n_mels: int = 64,
        patch_frames: int = 4,
        layers: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.width = multiple("AudioLogMelTransformer.width", width, "num_heads", num_heads)
        self.patch_frames = at_least("AudioLogMelTransformer.patch_frames", patch_frames)
        at_least("AudioLogMelTransformer.layers", layers)
        fraction("AudioLogMelTransformer.dropout", dropout)
        self.sample_rate = sample_rate
        self.log_mel = LogMelSpectrogram(sample_rate, n_mels=n_mels)
        self.scale = MaskedBatchNorm(n_mels)
        self.augment = SpecAugment()
        self.patch = nn.Linear(patch_frames * n_mels, width)
        self.drop = nn.Dropout(dropout)
        self.transformer = Transformer(width, layers, num_heads, dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        x, mask = self.log_mel(values, mask)  # (B, frames, n_mels)
        x = self.augment(self.scale(x, mask), mask)
        place = groups(x.shape[1], self.patch_frames).to(x.device)  # (T, patch_frames)
        there = place < x.shape[1]
        place = place.clamp(max=x.shape[1] - 1)
        x = x[:, place] * there[..., None]  # (B, T, patch_frames, n_mels), zeros behind the last frame
        x, mask = self.patch(x.flatten(2)), (mask[:, place] & there).any(2)  # (B, T, width), (B, T)
        x = self.drop(x + sinusoidal(x.shape[1], self.width).to(x))
        return Features(self.transformer(x, mask), mask)
