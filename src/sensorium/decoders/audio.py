"""A vector to the outline of a sound."""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.decoders.image import Upsampling
from sensorium.decoders.standard import Standard
from sensorium.encoders.checks import at_least
from sensorium.encoders.mfcc import LogMelSpectrogram

__all__ = ["AudioDecoder"]

MELS, STEPS = 32, 64  # bands; spans of time, at most


class AudioDecoder(nn.Module):
    """The log-mel spectrogram in at most 64 spans of time, by transposed convolutions over time, standardised by band.

    Args:
        width: of the vector.
        sample_rate: of the recordings, in Hz.
        seconds: of the longest.

    Shape:
        vector: (B, width). Returns (B, 32, spans). values: (B, samples) float -1..1. mask: (B, samples).
    """

    def __init__(self, width: int, sample_rate: int = 16_000, seconds: float = 30.0):
        super().__init__()
        at_least("AudioDecoder.width", width)
        self.log_mel = LogMelSpectrogram(sample_rate, n_mels=MELS)
        frames = 1 + math.ceil(seconds * sample_rate / self.log_mel.mel.hop_length)
        self.steps = min(STEPS, 8 * math.ceil(frames / 16))
        self.span = math.ceil(frames / self.steps)  # frames
        self.up = Upsampling(width, MELS, (self.steps,))
        self.standard = Standard(MELS)

    def forward(self, vector: Tensor) -> Tensor:
        return self.up(vector)  # (B, 32, spans)

    def errors(self, made: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """(B,) the mean squared error over the spans that hold sound."""
        decibels, real = self.log_mel(values, mask)  # (B, frames, 32), (B, frames)
        short = self.steps * self.span - decibels.shape[1]
        decibels, real = F.pad(decibels, (0, 0, 0, short)), F.pad(real, (0, short))
        decibels = decibels.unflatten(1, (self.steps, self.span))  # (B, spans, frames, 32)
        count = real.unflatten(1, (self.steps, self.span)).sum(2)  # (B, spans)
        there = count > 0
        mean = decibels.sum(2) / count.clamp(min=1)[..., None]  # (B, spans, 32); what is not real is 0
        target = self.standard(mean, there)
        wrong = (made.transpose(1, 2) - target).square().mean(2)  # (B, spans)
        return (wrong * there).sum(1) / there.sum(1).clamp(min=1)
