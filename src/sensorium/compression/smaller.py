"""The same network with less of everything."""

from typing import Any

from sensorium.config import Config, Ensemble
from sensorium.config.encoders import AudioMFCCCNN, ImageCNN, TextBag, VideoCNN3D

__all__ = ["smaller"]

# What stands for a pretrained network: there is no smaller one of the same kind.
PLAIN = {"audio": AudioMFCCCNN(), "image": ImageCNN(), "text": TextBag(), "video": VideoCNN3D()}
STEP = 16  # widths are multiples of it, which attention heads divide and processors like
LEAST = 8  # feature maps


def smaller(config: Config, share: float) -> Config:
    """A configuration with `share` of the width, the feature maps and the layers; one network without a wide part.

    Pretrained encoders become plain ones of the same share. Inputs, targets and what is read of a row stay.

    Args:
        config: complete, of a run.
        share: above 0, at most 1.
    """
    inputs = {
        name: given.model_copy(update={"encoder": _encoder(given, share)}) for name, given in config.inputs.items()
    }
    sizes = {
        name: _width(value, share)
        for name in ("width", "token_width")
        if isinstance(value := getattr(config.fusion, name, None), int)
    }
    return config.model_copy(
        update={
            "inputs": inputs,
            "fusion": config.fusion.model_copy(update=sizes),
            "training": config.training.model_copy(update={"wide": False}),
            "ensemble": Ensemble(),
        }
    )


def _encoder(given: Any, share: float) -> Any:
    encoder = PLAIN[given.modality] if given.encoder.type == "pretrained" else given.encoder
    less: dict[str, Any] = {}
    if channels := getattr(encoder, "channels", ()):
        less["channels"] = tuple(max(LEAST, round(count * share / LEAST) * LEAST) for count in channels)
    if (layers := getattr(encoder, "layers", None)) is not None:
        less["layers"] = max(1, round(layers * share))
    return encoder.model_copy(update=less)


def _width(width: int, share: float) -> int:
    return min(width, max(STEP, round(width * share / STEP) * STEP))
