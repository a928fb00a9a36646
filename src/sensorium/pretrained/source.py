"""A pretrained model's folder: what kind it is and how it wants its input, read from its own JSON files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sensorium.errors import ConfigError, DataError
from sensorium.pretrained.folder import check_weights, model_folder, read_json
from sensorium.pretrained.shipped import SHIPPED, installed

__all__ = ["MODELS", "Source", "find_source", "restore_source"]

# Hugging Face's `model_type` by what it reads; a model of two towers is in two lines.
MODELS: dict[str, tuple[str, ...]] = {
    "text": (
        "albert", "bert", "camembert", "clip", "deberta-v2", "distilbert", "electra", "modernbert", "mpnet", "roberta",
        "siglip", "xlm-roberta",
    ),
    "image": (
        "beit", "clip", "convnext", "convnextv2", "deit", "dinov2", "dinov2_with_registers", "efficientnet-lite",
        "resnet", "siglip", "swin", "vit",
    ),
    "audio": ("audio-spectrogram-transformer", "clap", "ge2e", "hubert", "wav2vec2", "wavlm", "whisper"),
    "video": ("timesformer", "videomae", "xclip"),
}  # fmt: skip

# What the files of a model would say whose network is built here: its configuration, and how it wants its input.
OURS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "efficientnet-lite0": (
        {"model_type": "efficientnet-lite", "hidden_size": 1280},
        {"size": 224, "image_mean": [127 / 255] * 3, "image_std": [128 / 255] * 3},
    ),
    "resemblyzer": ({"model_type": "ge2e", "hidden_size": 768}, {"sampling_rate": 16_000}),
}

# Where the configuration of two towers says what it does of each.
PARTS = {"audio": "audio_config", "image": "vision_config", "text": "text_config", "video": "vision_config"}


@dataclass(frozen=True)
class Source:
    """What a model is made of and wants, beside its weights: plain data that a run folder keeps.

    Args:
        name: as the configuration gives it.
        modality: what it reads here.
        config: the model's own config.json.
        processing: its preprocessor_config.json; empty where it has none.
        pooling: how its makers make one vector of tokens (mean or cls), where they say so.
        longest: tokens, where its makers say so.
        folder: of its weights; None where they come from a run.
    """

    name: str
    modality: str
    config: dict[str, Any]
    processing: dict[str, Any] = field(default_factory=dict)
    pooling: str | None = None
    longest: int | None = None
    folder: Path | None = None

    @property
    def kind(self) -> str:
        return self.config["model_type"]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of a picture or frame."""
        for given in (self.processing.get("crop_size"), self.processing.get("size")):
            if isinstance(given, int):
                return given, given
            if isinstance(given, Mapping):
                if {"height", "width"} <= set(given):
                    return int(given["height"]), int(given["width"])
                if "shortest_edge" in given:
                    return (int(given["shortest_edge"]),) * 2
        side = self._tower().get("image_size", 224)
        return (side, side) if isinstance(side, int) else tuple(side)

    @property
    def scaling(self) -> tuple[list[float], list[float]]:
        """Mean and deviation of each colour, of values from 0 to 1, that are taken off and divided by."""
        if self.processing.get("do_normalize", True) is False:
            return [0.0] * 3, [1.0] * 3
        half = [0.5] * 3
        return list(self.processing.get("image_mean") or half), list(self.processing.get("image_std") or half)

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return int(self.processing.get("sampling_rate", 48_000 if self.kind == "clap" else 16_000))

    @property
    def seconds(self) -> float | None:
        """The longest recording that it reads; None: any."""
        if self.kind == "audio-spectrogram-transformer":
            return self.config.get("max_length", 1024) / 100  # frames of 10 ms
        return {"whisper": 30.0, "clap": 10.0}.get(self.kind)

    @property
    def frames(self) -> int:
        """Of a clip."""
        return int(self._tower().get("num_frames", 8))

    def _tower(self) -> dict[str, Any]:
        """The part of the configuration that is about the modality."""
        return {**self.config, **(self.config.get(PARTS[self.modality]) or {})}

    def to_json(self) -> dict[str, Any]:
        """Without the folder: a run has the weights itself."""
        return {key: value for key, value in asdict(self).items() if key != "folder"}


def find_source(name: str, modality: str) -> Source:
    """A model by the name of a shipped one, its folder, or its name on the Hugging Face hub.

    Only a name that is neither the first nor a folder is looked for on the hub: in its local cache, then by network.

    Raises:
        ConfigError: there is no such model, it reads something else, or has no weights that are safe to open.
    """
    if name in SHIPPED:
        shipped = SHIPPED[name]
        folder = installed(name)
        if shipped.modality != modality:
            raise ConfigError(f"model '{name}' reads {shipped.modality}; got an input of {modality}.")
        if folder is None:
            raise ConfigError(f"model '{name}' is not installed: pip install {shipped.install}")
        if name in OURS:
            return Source(name, modality, *OURS[name], folder=folder)
        config = read_json(folder / "config.json", name)
    else:
        folder, config = model_folder(name)
    kind = config.get("model_type")
    if kind not in MODELS[modality]:
        others = [other for other, kinds in MODELS.items() if kind in kinds]
        what = f"reads {' and '.join(others)}" if others else "is of no kind that is known here"
        raise ConfigError(
            f"model '{name}' ({kind}) {what}; got an input of {modality}. "
            f"For {modality} there are: {', '.join(MODELS[modality])}."
        )
    check_weights(folder, name)
    processing = read_json(folder / "preprocessor_config.json", name) or {}
    processing = processing.get("image_processor", processing) if modality in {"image", "video"} else processing
    pool = read_json(folder / "1_Pooling" / "config.json", name) or {}
    pooling = "cls" if pool.get("pooling_mode_cls_token") else "mean" if pool.get("pooling_mode_mean_tokens") else None
    longest = (read_json(folder / "sentence_bert_config.json", name) or {}).get("max_seq_length")
    return Source(name, modality, config, processing, pooling, longest, folder)


def restore_source(told: Mapping[str, Any]) -> Source:
    """A source from what its `to_json` gave.

    Raises:
        DataError: it is of no kind that is known here.
    """
    try:
        source = Source(**told)
        known = source.kind in MODELS[source.modality]
    except (TypeError, KeyError) as error:
        raise DataError("the run's inputs.json does not say what its pretrained encoders are.") from error
    if not known:
        raise DataError(f"the run's pretrained encoder is a '{source.kind}', which this sensorium does not know.")
    return source
