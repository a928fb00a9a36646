"""Spectrograms and MFCCs against librosa."""

import librosa
import numpy as np
import pytest
import torch

from sensorium.encoders.mfcc import MFCC, LogMelSpectrogram, MelSpectrogram, delta
from sensorium.errors import ConfigError


def signal(kind: str, sample_rate: int, seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.arange(int(sample_rate * seconds)) / sample_rate
    sounds = {
        "noise": rng.normal(size=len(t)) * 0.1,
        "tone": 0.5 * np.sin(2 * np.pi * 440 * t),
        "sweep": 0.5 * np.sin(2 * np.pi * (100 + sample_rate / 6 * t) * t) * np.linspace(0, 1, len(t)),
        "clicks": (np.arange(len(t)) % 997 == 0) * 0.9,
        "silence": np.zeros(len(t)),
    }
    return sounds[kind].astype(np.float32)


def ours(module, sound: np.ndarray):
    values = torch.from_numpy(sound)[None]
    out, mask = module(values, torch.ones_like(values, dtype=torch.bool))
    return out[0].numpy(), mask[0].numpy()


@pytest.mark.parametrize("kind", ["noise", "tone", "sweep", "clicks", "silence"])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050])
@pytest.mark.parametrize(("n_fft", "hop_length", "n_mels", "n_mfcc"), [(512, 160, 64, 20), (2048, 512, 128, 13)])
def test_mfcc_is_librosas(kind, sample_rate, n_fft, hop_length, n_mels, n_mfcc):
    sound = signal(kind, sample_rate, 1.234)
    expected = librosa.feature.mfcc(
        y=sound, sr=sample_rate, n_mfcc=n_mfcc, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels
    ).T
    found, mask = ours(MFCC(sample_rate, n_mfcc, n_fft, hop_length, n_mels), sound)
    assert found.shape == expected.shape
    assert mask.sum() >= len(mask) - 1
    assert np.abs(found - expected)[mask].max() < 1e-3


@pytest.mark.parametrize("sample_rate", [1500, 8000, 44100])
def test_the_mel_spectrogram_is_librosas(sample_rate):
    sound = signal("noise", sample_rate, 0.7)
    module = MelSpectrogram(sample_rate, 512, 128, 40)
    expected = librosa.feature.melspectrogram(y=sound, sr=sample_rate, n_fft=512, hop_length=128, n_mels=40).T
    np.testing.assert_allclose(ours(module, sound)[0], expected, rtol=1e-4, atol=1e-6)
    filters = librosa.filters.mel(sr=sample_rate, n_fft=512, n_mels=40)
    np.testing.assert_allclose(module.filters.T.numpy(), filters, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("sample_rate", "n_fft", "hop"), [(8000, 256, 80), (16000, 512, 160), (22050, 1024, 220)])
def test_the_usual_frame_is_25_ms_every_10_ms(sample_rate, n_fft, hop):
    module = MelSpectrogram(sample_rate)
    assert (module.n_fft, module.hop_length) == (n_fft, hop)


def test_a_frame_is_real_if_its_centre_is():
    module = MelSpectrogram(16000, 512, 160)
    for real in (1, 160, 161, 799, 800, 801):
        mask = torch.arange(800 + 5) < real
        frames = module(torch.zeros(1, 805), mask[None])[1][0]
        assert len(frames) == 1 + 805 // 160
        assert frames.tolist() == [t * 160 < real for t in range(len(frames))]


def test_the_80_decibels_count_from_the_rows_own_real_frames():
    quiet, loud = signal("noise", 16000, 0.5) * 1e-3, signal("noise", 16000, 0.5) * 50
    values = torch.from_numpy(np.stack([np.concatenate([quiet, loud]), np.concatenate([loud, quiet])]))
    mask = torch.ones_like(values, dtype=torch.bool)
    mask[0, len(quiet) :] = False
    found, real = LogMelSpectrogram(16000)(values, mask)
    expected, _ = ours(LogMelSpectrogram(16000), quiet)
    frames = int(real[0].sum())
    np.testing.assert_allclose(found[0, :frames].numpy(), expected[:frames], rtol=1e-4, atol=1e-3)
    assert (found[0, frames:] == 0).all()


def test_delta_is_the_least_squares_slope():
    x = np.random.default_rng(0).normal(size=(9, 3))
    padded = np.concatenate([x[:1], x[:1], x, x[-1:], x[-1:]])
    expected = [[np.polyfit(range(-2, 3), padded[t : t + 5, c], 1)[0] for c in range(3)] for t in range(9)]
    batch = torch.full((1, 12, 3), 99.0, dtype=torch.float64)
    batch[0, :9] = torch.from_numpy(x)
    found = delta(batch, torch.arange(12)[None] < 9)
    np.testing.assert_allclose(found[0, :9].numpy(), expected, atol=1e-12)


def test_wrong_sizes():
    with pytest.raises(ConfigError, match=r"MFCC\.n_mfcc must be at most n_mels \(13\); got 20"):
        MFCC(16000, 20, n_mels=13)
    with pytest.raises(ConfigError, match=r"MelSpectrogram\.sample_rate must be a whole number, 100 or more; got 8"):
        MelSpectrogram(8)
    with pytest.raises(ConfigError, match=r"MelSpectrogram\.hop_length must be .* 1 or more; got 0"):
        MelSpectrogram(8000, hop_length=0)
