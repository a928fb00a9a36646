"""One file to one array, by kind: plain data in and out, so that it can run in another process and be kept."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sensorium.errors import ConfigError, MediaError, did_you_mean
from sensorium.media.audio import read_sound
from sensorium.media.image import read_image
from sensorium.media.limits import LIMITS, Limits
from sensorium.media.motion import read_motion
from sensorium.media.probe import MediaInfo, probe
from sensorium.media.video import read_video

__all__ = ["DECODERS", "Decoded", "add", "decode", "decoder"]


class Decoded(NamedTuple):
    """What a file became, and what is to be said of it: (kind of problem, reason), such as ("cut", "... 3 s")."""

    values: np.ndarray
    notes: tuple[tuple[str, str], ...] = ()


Decoder = Callable[[Any, dict[str, Any], Limits], Any]  # Decoded, but for `probe`, which gives a MediaInfo


def decode(kind: str, source: Any, options: dict[str, Any], limits: Limits = LIMITS) -> Decoded:
    """`source` as an array.

    Args:
        kind: a key of `DECODERS`.
        source: a path, a file's bytes, or what else the kind's reader takes.
        options: image: size (height, width) in pixels, faces (blur; else they stay). audio: sample_rate in Hz, seconds kept at most (None: all),
            start in seconds (0 where it isn't given). video: frames, size (height, width) in pixels.
            motion: steps, grid, pictures, size (height, width) in pixels. probe: none; gives a MediaInfo.
        limits: checked before decoding.

    Raises:
        MediaError: with the reason, for whatever can't be read.
        ConfigError: there is no such kind.
    """
    function = decoder(kind)
    try:
        return function(source, options, limits)
    except MemoryError as error:
        raise MediaError("it needs more memory than there is") from error


def decoder(kind: str) -> Decoder:
    """The function of a kind."""
    if kind not in DECODERS:
        raise ConfigError(f"unknown kind of media '{kind}'. {did_you_mean(kind, DECODERS)}")
    return DECODERS[kind]


def add(kind: str, function: Decoder) -> None:
    """Make a kind known: `function(source, options, limits)` returns `Decoded`, or raises MediaError."""
    if kind in DECODERS:
        raise ConfigError(f"the kind of media '{kind}' is there already")
    DECODERS[kind] = function


def _image(source: Any, options: dict[str, Any], limits: Limits) -> Decoded:
    return Decoded(read_image(source, tuple(options["size"]), limits, options.get("faces") == "blur"))  # (3, H, W)


def _audio(source: Any, options: dict[str, Any], limits: Limits) -> Decoded:
    seconds = options["seconds"]
    values, more = read_sound(source, options["sample_rate"], seconds, limits, options.get("start", 0.0))
    return Decoded(values, (("cut", f"the recording is longer than {seconds:g} s"),) if more else ())  # (samples,)


def _video(source: Any, options: dict[str, Any], limits: Limits) -> Decoded:
    return Decoded(read_video(source, options["frames"], tuple(options["size"]), limits))  # (frames, 3, H, W)


def _motion(source: Any, options: dict[str, Any], limits: Limits) -> Decoded:
    motion = read_motion(source, **{**options, "size": tuple(options["size"])}, limits=limits)
    return Decoded(motion.packed(), () if motion.fallback is None else (("fallback", motion.fallback),))  # (numbers,)


def _probe(source: Any, options: dict[str, Any], limits: Limits) -> MediaInfo:
    return probe(source, limits)


DECODERS: dict[str, Decoder] = {"audio": _audio, "image": _image, "motion": _motion, "probe": _probe, "video": _video}
