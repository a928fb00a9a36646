"""The smallest file of each medium, in base64: examples for the documentation that can be sent as they are."""

import base64
import io
from functools import cache

import av
import numpy as np
import soundfile
from PIL import Image

__all__ = ["EXAMPLES"]


@cache
def _image() -> str:
    file = io.BytesIO()
    Image.new("RGB", (2, 2), (120, 160, 200)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@cache
def _audio() -> str:
    file = io.BytesIO()
    wave = 0.1 * np.sin(np.arange(800) / 4)  # 0.1 s at 8,000 Hz
    soundfile.write(file, wave, 8000, format="WAV", subtype="PCM_U8")
    return base64.b64encode(file.getvalue()).decode()


@cache
def _video() -> str:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        for level in (60, 200):
            pixels = np.full((16, 16, 3), level, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return base64.b64encode(file.getvalue()).decode()


EXAMPLES = {"image": _image, "audio": _audio, "video": _video}
