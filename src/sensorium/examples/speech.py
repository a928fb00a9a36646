"""Speech for examples, by eSpeak NG from a Python wheel."""

import ctypes
import io
from functools import cache

import numpy as np

from sensorium.errors import ConfigError

__all__ = ["SAMPLE_RATE", "recording", "speak"]

SAMPLE_RATE = 22050  # Hz, of all its voices
SYNCHRONOUS, UTF8, RATE, PITCH, RANGE = 2, 1, 1, 3, 4  # of espeak-ng's speak_lib.h
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Synthesiser:
    """The library, loaded once; it keeps one voice at a time."""

    def __init__(self):
        try:
            import espeakng_loader
        except ImportError as error:
            raise ConfigError("speech needs eSpeak NG. Install it with: pip install 'sensorium[demo]'") from error
        self.library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        rate = self.library.espeak_Initialize(SYNCHRONOUS, 500, str(espeakng_loader.get_data_path()).encode(), 0)
        if rate != SAMPLE_RATE:
            raise ConfigError(f"eSpeak NG must start at {SAMPLE_RATE} Hz; got {rate}. Install espeakng-loader anew.")
        self.parts: list[np.ndarray] = []
        self.callback = Callback(self._take)  # kept: the library calls it later
        self.library.espeak_SetSynthCallback(self.callback)

    def _take(self, samples, count: int, events) -> int:
        if samples and count > 0:
            self.parts.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0  # go on


@cache
def _synthesiser() -> Synthesiser:
    return Synthesiser()


def speak(text: str, voice: str = "en-us", rate: int = 175, pitch: int = 50, melody: int = 50) -> np.ndarray:
    """`text` as float32 samples (samples,) in -1..1, at SAMPLE_RATE.

    Args:
        voice: of eSpeak NG, with a variant or not: en-us, en-us+f3, cmn.
        rate: words a minute, 80 to 450.
        pitch: 0 to 100.
        melody: how far the pitch rises and falls, 0 (monotone) to 100.

    Raises:
        ConfigError: eSpeak NG is not installed, or has no such voice.
    """
    engine = _synthesiser()
    if engine.library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ConfigError(f"eSpeak NG has no voice '{voice}'. Try en-us, en-gb-x-rp or cmn.")
    engine.library.espeak_SetParameter(RATE, rate, 0)
    engine.library.espeak_SetParameter(PITCH, pitch, 0)
    engine.library.espeak_SetParameter(RANGE, melody, 0)
    engine.parts.clear()
    data = text.encode()
    engine.library.espeak_Synth(data, len(data) + 1, 0, 1, 0, UTF8, None, None)
    engine.library.espeak_Synchronize()
    wave = np.concatenate(engine.parts) if engine.parts else np.zeros(0, np.int16)
    return (wave / 32768).astype(np.float32)


def recording(wave: np.ndarray, random: np.random.Generator, noise: float = 0.01) -> bytes:
    """Speech of `speak` as a WAV of 16 bits, more or less loud, with noise of so large a deviation."""
    import soundfile

    # eSpeak NG varies a word's length by a few samples: noise of its own leaves the other draws as they are.
    wave = wave * random.uniform(0.5, 1.0) + random.spawn(1)[0].normal(0, noise, len(wave))
    file = io.BytesIO()
    soundfile.write(file, wave.clip(-1, 1), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
