"""Pictures and sounds as data: URIs, so that a page needs no other file."""

import base64
import io
import wave

import numpy as np
from PIL import Image

__all__ = ["picture_uri", "sound_uri"]


def picture_uri(pixels: np.ndarray, exact: bool = False) -> str:
    """(H, W, 3) uint8 as JPEG; `exact`: as PNG, for lines and few colours."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG" if exact else "JPEG", **({} if exact else {"quality": 82}))
    return f"data:image/{'png' if exact else 'jpeg'};base64,{base64.b64encode(file.getvalue()).decode()}"


def sound_uri(samples: np.ndarray, rate: int) -> str:
    """(samples,) from -1 to 1 as WAV of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"
