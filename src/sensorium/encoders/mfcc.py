"""Mel spectrograms and MFCCs as torch modules, equal to librosa's."""

import math

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least
from sensorium.errors import ConfigError

__all__ = ["MFCC", "LogMelSpectrogram", "MelSpectrogram", "delta"]


def _mel_to_hz(mel: Tensor) -> Tensor:
    """Slaney's scale: linear below 1 kHz (15 mel), logarithmic above."""
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * math.log(6.4) / 27))


def _filters(sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    """Triangles of equal area over the FFT's bins, (n_mels, bins) float64."""
    top = sample_rate / 2
    top_mel = 15 + 27 * math.log(top / 1000) / math.log(6.4) if top >= 1000 else top * 3 / 200
    corners = _mel_to_hz(torch.linspace(0, top_mel, n_mels + 2, dtype=torch.float64))  # (n_mels + 2,)
    bins = torch.linspace(0, top, n_fft // 2 + 1, dtype=torch.float64)
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rise, fall = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return torch.minimum(rise, fall).clamp(min=0) * 2 / (right - left)


def _dct(n_mfcc: int, n_mels: int) -> Tensor:
    """DCT-II, orthonormal: (n_mels, n_mfcc) float64."""
    place = torch.arange(n_mels, dtype=torch.float64)[:, None] + 0.5
    basis = torch.cos(math.pi / n_mels * place * torch.arange(n_mfcc)) * math.sqrt(2 / n_mels)
    basis[:, 0] /= math.sqrt(2)
    return basis


def delta(x: Tensor, mask: Tensor, reach: int = 2) -> Tensor:
    """The slope over time, by least squares over `reach` frames each way; a row's last real frame is repeated.

    Reference:
        Young et al., The HTK Book, equation 5.16.

    Shape:
        x: (B, T, C). mask: (B, T) bool, real frames first. Returns (B, T, C).

    Example:
        >>> x = torch.arange(6.0).view(1, 6, 1)
        >>> delta(x, torch.ones(1, 6, dtype=torch.bool))[0, 2:4, 0]
        tensor([1., 1.])
    """
    last = (mask.sum(1, keepdim=True) - 1).clamp(min=0)  # (B, 1)
    step = torch.arange(x.shape[1], device=x.device)

    def at(frames: Tensor) -> Tensor:
        return x.gather(1, torch.minimum(frames.clamp(min=0), last)[..., None].expand_as(x))

    slope = torch.zeros_like(x)
    for k in range(1, reach + 1):
        slope = slope + k * (at(step + k) - at(step - k))
    return slope / (2 * sum(k * k for k in range(1, reach + 1)))


class MelSpectrogram(nn.Module):
    """Power in each mel band, frame by frame.

    Reference:
        `librosa.feature.melspectrogram` of librosa 0.11 with its defaults: Hann window, centred frames padded with
        zeros, power 2, Slaney's scale and norm.

    Args:
        sample_rate: of the recordings, in Hz.
        n_fft: samples in a frame; None: 25 ms, rounded up to a power of two.
        hop_length: samples from one frame to the next; None: 10 ms.
        n_mels: bands.

    Shape:
        values: (B, samples) float. mask: (B, samples) bool. Returns power (B, frames, n_mels) and mask (B, frames);
        frames = 1 + samples // hop_length. A frame is real if the sample at its centre is.

    Raises:
        ConfigError: a size can't be used.

    Example:
        >>> power, real = MelSpectrogram(16000)(torch.zeros(1, 16000), torch.ones(1, 16000, dtype=torch.bool))
        >>> power.shape, int(real.sum())
        (torch.Size([1, 101, 64]), 100)
    """

    def __init__(
        self, sample_rate: int = 16_000, n_fft: int | None = None, hop_length: int | None = None, n_mels: int = 64
    ):
        super().__init__()
        at_least("MelSpectrogram.sample_rate", sample_rate, 100)
        at_least("MelSpectrogram.n_mels", n_mels)
        self.n_fft = 2 ** math.ceil(math.log2(sample_rate * 0.025)) if n_fft is None else n_fft
        self.hop_length = round(sample_rate * 0.01) if hop_length is None else hop_length
        at_least("MelSpectrogram.n_fft", self.n_fft, 2)
        at_least("MelSpectrogram.hop_length", self.hop_length)
        self.register_buffer("window", torch.hann_window(self.n_fft, dtype=torch.float64).float(), persistent=False)
        filters = _filters(sample_rate, self.n_fft, n_mels).T.float()  # (bins, n_mels)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(values.device.type, enabled=False):  # bf16 has too few digits for a spectrum
            sound = values.float().masked_fill(~mask, 0)
            spectrum = torch.stft(
                sound, self.n_fft, self.hop_length, window=self.window, pad_mode="constant", return_complex=True
            )  # (B, bins, frames)
            power = spectrum.real.square() + spectrum.imag.square()
            power = power.transpose(1, 2) @ self.filters  # (B, frames, n_mels)
        real = mask[:, :: self.hop_length]  # (B, frames or one fewer)
        real = nn.functional.pad(real, (0, power.shape[1] - real.shape[1]))  # (B, frames)
        return power, real


class LogMelSpectrogram(nn.Module):
    """MelSpectrogram in decibels, no more than 80 below the loudest real frame of the row.

    Reference:
        `librosa.power_to_db` with ref=1, amin=1e-10, top_db=80. Differs: frames that are not real don't count.

    Args:
        sample_rate, n_fft, hop_length, n_mels: as in MelSpectrogram.

    Shape:
        values, mask: (B, samples). Returns decibels (B, frames, n_mels), 0 where not real, and mask (B, frames).
    """

    def __init__(
        self, sample_rate: int = 16_000, n_fft: int | None = None, hop_length: int | None = None, n_mels: int = 64
    ):
        super().__init__()
        self.mel = MelSpectrogram(sample_rate, n_fft, hop_length, n_mels)

    def forward(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        power, real = self.mel(values, mask)
        decibels = 10 * power.clamp(min=1e-10).log10()  # (B, frames, n_mels)
        loudest = decibels.masked_fill(~real[..., None], -math.inf).amax((1, 2), keepdim=True)  # (B, 1, 1)
        return torch.maximum(decibels, loudest - 80).masked_fill(~real[..., None], 0), real


class MFCC(nn.Module):
    """Mel-frequency cepstral coefficients.

    Reference:
        Davis and Mermelstein, 1980; `librosa.feature.mfcc` of librosa 0.11 with its defaults (DCT-II, orthonormal, no
        lifter), to 1e-3.

    Args:
        sample_rate: in Hz.
        n_mfcc: coefficients, at most n_mels.
        n_fft, hop_length, n_mels: as in MelSpectrogram.

    Shape:
        values, mask: (B, samples). Returns (B, frames, n_mfcc), 0 where not real, and mask (B, frames).

    Raises:
        ConfigError: more coefficients than bands; a size can't be used.

    Example:
        >>> MFCC(16000)(torch.rand(1, 8000), torch.ones(1, 8000, dtype=torch.bool))[0].shape
        torch.Size([1, 51, 20])
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_mfcc: int = 20,
        n_fft: int | None = None,
        hop_length: int | None = None,
        n_mels: int = 64,
    ):
        super().__init__()
        if at_least("MFCC.n_mfcc", n_mfcc) > n_mels:
            raise ConfigError(f"MFCC.n_mfcc must be at most n_mels ({n_mels}); got {n_mfcc}.")
        self.log_mel = LogMelSpectrogram(sample_rate, n_fft, hop_length, n_mels)
        self.register_buffer("dct", _dct(n_mfcc, n_mels).float(), persistent=False)  # (n_mels, n_mfcc)
        self.register_buffer("flat", torch.eye(1, n_mfcc)[0] * math.sqrt(n_mels), persistent=False)  # the DCT of 1

    def forward(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        decibels, real = self.log_mel(values, mask)
        with torch.autocast(values.device.type, enabled=False):
            level = decibels.mean(2, keepdim=True)  # (B, frames, 1), taken out so that float32 keeps its digits
            return (decibels - level) @ self.dct + level * self.flat, real  # (B, frames, n_mfcc)
