"""Clips for examples, written by PyAV."""

import io
from collections.abc import Sequence

import numpy as np

__all__ = ["SAMPLE_RATE", "encoded"]

SAMPLE_RATE = 16000  # Hz, of their sound


def encoded(pictures: Sequence[np.ndarray], wave: np.ndarray | None, rate: int = 10) -> bytes:
    """An MP4 of H.264, and of AAC where there is sound.

    Args:
        pictures: of (H, W, 3), 0..255; H and W are even.
        wave: (samples,) in -1..1, at SAMPLE_RATE; None: a clip without a sound track.
        rate: pictures a second.
    """
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        # Of pictures this small x264's mbtree makes other bytes each time.
        options = {"crf": "23", "preset": "veryfast", "x264-params": "mbtree=0"}
        video = container.add_stream("libx264", rate=rate, options=options)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = None if wave is None else container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            sound = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
            sound.sample_rate = SAMPLE_RATE
            container.mux(audio.encode(sound))
            container.mux(audio.encode())
    return file.getvalue()
