"""Bytes to arrays: pictures, recordings, clips. Whatever can't be read is a MediaError with its reason."""

from sensorium.media.audio import read_audio
from sensorium.media.decode import Decoded
from sensorium.media.image import read_image
from sensorium.media.limits import LIMITS, Limits
from sensorium.media.motion import Motion, read_motion
from sensorium.media.pool import DecoderLost, DecoderPool
from sensorium.media.probe import EXTENSIONS, MediaInfo, probe, sniff
from sensorium.media.video import read_video

__all__ = [
    "EXTENSIONS",
    "LIMITS",
    "Decoded",
    "DecoderLost",
    "DecoderPool",
    "Limits",
    "MediaInfo",
    "Motion",
    "probe",
    "read_audio",
    "read_image",
    "read_motion",
    "read_video",
    "sniff",
]
