"""Decoders: one vector a row -> what a modality looks like, and how far that is from what it was.

Each is an `nn.Module` with `forward(vector) -> made` and `errors(made, values, mask) -> (B,)`, which is about 1 where nothing
is known of a row, and reads only rows that have the modality.
"""

from torch import nn

from sensorium.decoders.audio import AudioDecoder
from sensorium.decoders.bag import FirstOfBag
from sensorium.decoders.image import ImageDecoder
from sensorium.decoders.tabular import TabularDecoder
from sensorium.decoders.text import TextDecoder
from sensorium.decoders.vector import MotionDecoder, VectorDecoder
from sensorium.decoders.video import VideoDecoder

__all__ = [
    "DECODERS", "AudioDecoder", "FirstOfBag", "ImageDecoder", "MotionDecoder", "TabularDecoder", "TextDecoder",
    "VectorDecoder", "VideoDecoder",
]  # fmt: skip

DECODERS: dict[str, type[nn.Module]] = {
    "audio": AudioDecoder,
    "image": ImageDecoder,
    "motion": MotionDecoder,
    "tabular": TabularDecoder,
    "text": TextDecoder,
    "vector": VectorDecoder,
    "video": VideoDecoder,
}
