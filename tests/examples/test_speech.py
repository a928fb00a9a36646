"""Speech of eSpeak NG: its melody, and recordings of it."""

import io

import librosa
import numpy as np
import pytest
import soundfile

pytest.importorskip("espeakng_loader", reason="the voices need espeakng-loader")

from sensorium.examples.speech import SAMPLE_RATE, recording, speak


def test_melody_is_how_far_the_pitch_moves():
    def moves(melody: int) -> float:
        """Spread of the pitch in semitones, by librosa."""
        pitch, voiced, _ = librosa.pyin(
            speak("What a lovely surprise!", melody=melody), fmin=50, fmax=400, sr=SAMPLE_RATE
        )
        return 12 * np.log2(pitch[voiced]).std()

    assert moves(100) > 1.2 * moves(50) > 1.2 * 1.2 * moves(0)


def test_a_recording_has_the_noise_that_was_asked():
    content = recording(np.zeros(SAMPLE_RATE, np.float32), np.random.default_rng(0), noise=0.05)
    wave, rate = soundfile.read(io.BytesIO(content))
    assert rate == SAMPLE_RATE
    assert wave.std() == pytest.approx(0.05, rel=0.02)
    assert soundfile.info(io.BytesIO(content)).subtype == "PCM_16"
