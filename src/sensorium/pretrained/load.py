"""A source to its network, with weights or without."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sensorium.errors import ConfigError
from sensorium.pretrained.bodies import Body, make_body
from sensorium.pretrained.efficientnet_lite import EfficientNetLite, lite_weights
from sensorium.pretrained.library import (
    UNREADABLE,
    first_line,
    open_weights,
    plain_config,
    quiet,
    read_tokenizer,
    transformers_for,
)
from sensorium.pretrained.lora import add_lora
from sensorium.pretrained.source import PARTS, Source, find_source
from sensorium.pretrained.voice_encoder import VoiceEncoder, voice_weights

__all__ = ["body_of", "load_body", "tokenizer_of"]

# Networks that are built here, and what reads their weights.
OURS: dict[str, tuple[Callable[[], nn.Module], Callable[[Path], dict[str, Tensor]]]] = {
    "efficientnet-lite": (EfficientNetLite, lite_weights),
    "ge2e": (VoiceEncoder, voice_weights),
}
TOWERS = {
    ("clip", "text"): "CLIPTextModel", ("clip", "image"): "CLIPVisionModel", ("siglip", "text"): "SiglipTextModel",
    ("siglip", "image"): "SiglipVisionModel", ("clap", "audio"): "ClapAudioModel", ("xclip", "video"): "XCLIPVisionModel",
}  # fmt: skip
# Of these, the tower's weights have other names than the tower alone looks for.
WHOLE = {"clap": ("ClapModel", "audio_model"), "xclip": ("XCLIPModel", "vision_model")}
SPECTRA = {"audio-spectrogram-transformer", "clap", "whisper"}
COUNTS = "num_batches_tracked"  # of batch norms, which no answer depends on
SPARE = ("pooler", "lm_head", "mask_token", "masked_spec_embed", "position_ids")  # weights that may be missing


def load_body(source: Source) -> Body:
    """The network of a source; with its weights where it has a folder, else as the configuration makes it.

    Raises:
        ConfigError: transformers is not installed, or the weights don't fit the configuration.
    """
    if source.kind in OURS:
        return make_body(_ours(source), source)
    transformers = transformers_for(f"model '{source.name}'")
    with quiet():
        config, cls = _kind(transformers, source)
        if source.folder is None:
            network = cls._from_config(config, **_spare(cls))
        elif source.kind in WHOLE:
            name, tower = WHOLE[source.kind]
            whole = _with_weights(getattr(transformers, name), _config(transformers, source), source)
            network = getattr(whole, tower)
        else:
            network = _with_weights(cls, config, source)
        extractor = _extractor(transformers, source) if source.kind in SPECTRA else None
    if source.kind == "whisper":
        network = network.encoder
    return make_body(network, source, extractor)


def body_of(options: Any, modality: str, source: Source | None) -> Body:
    """The pretrained network that an encoder's options ask for; of a run's source, as it is after training.

    Args:
        options: a `sensorium.config.encoders.Pretrained`.
        modality: of the input.
        source: of a run, whose weights are loaded later; None: the model is found, with its weights.

    Raises:
        ConfigError: no such model, or it can't do what the options say.
    """
    if source is not None:
        return load_body(source)
    body = load_body(find_source(options.model, modality))
    if options.train == "lora":
        add_lora(body.network, options.rank, options.alpha, options.dropout, options.model)
    if options.checkpointing and options.train != "frozen":
        body.keep_less()
    return body


def tokenizer_of(model: str) -> tuple[str, int]:
    """A text model's tokenizer as JSON of the library tokenizers, and the most tokens the model reads.

    Raises:
        ConfigError: there is none, or it names no padding token.
    """
    source = find_source(model, "text")
    tokenizer = read_tokenizer(source.folder, source.name)
    if tokenizer.pad_token_id is None:
        raise ConfigError(
            f"model '{source.name}': its tokenizer names no padding token, so texts of several lengths can't be a batch. "
            'Set "pad_token" in its tokenizer_config.json.'
        )
    config, _ = _kind(transformers_for(f"model '{source.name}'"), source)
    positions = getattr(config, "max_position_embeddings", None) or 512
    if source.kind in {"roberta", "camembert", "xlm-roberta", "mpnet"}:
        positions -= 2  # theirs start after the padding's
    return tokenizer.backend_tokenizer.to_str(), min(positions, source.longest or positions)


def _ours(source: Source) -> nn.Module:
    make, weights = OURS[source.kind]
    network = make()
    if source.folder is None:
        return network
    given = weights(source.folder)
    wanted = {name: value.shape for name, value in network.state_dict().items() if not name.endswith(COUNTS)}
    if {name: value.shape for name, value in given.items()} != wanted:
        raise ConfigError(f"model '{source.name}': {source.folder} holds weights of another network than it should.")
    network.load_state_dict(given, strict=False)
    return network


def _kind(transformers: Any, source: Source) -> tuple[Any, Any]:
    """The configuration and the class of the part of a model that reads the source's modality."""
    config = _config(transformers, source)
    if (name := TOWERS.get((source.kind, source.modality))) is not None:
        return getattr(config, PARTS[source.modality], config), getattr(transformers, name)
    return config, transformers.AutoModel._model_mapping[type(config)]


def _config(transformers: Any, source: Source) -> Any:
    """The whole model's."""
    given = {key: value for key, value in plain_config(source.config).items() if key != "quantization_config"}
    return transformers.AutoConfig.for_model(**given)


def _with_weights(cls: Any, config: Any, source: Source) -> nn.Module:
    try:
        network, missing = open_weights(cls, source.folder, config, **_spare(cls))
    except UNREADABLE as error:
        raise ConfigError(f"model '{source.name}': its weights can't be read ({first_line(error)}).") from error
    if missing := [name for name in missing if not any(word in name for word in SPARE)]:
        raise ConfigError(
            f"model '{source.name}': its files lack {len(missing)} of the weights, such as {missing[0]}; "
            "they are of another model than its config.json says."
        )
    return network


def _spare(cls: Any) -> dict[str, bool]:
    """Leaves out a layer that only the training of the model's makers used."""
    return {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(cls.__init__).parameters else {}


def _extractor(transformers: Any, source: Source) -> Any:
    name = {"whisper": "WhisperFeatureExtractor", "clap": "ClapFeatureExtractor"}.get(
        source.kind, "ASTFeatureExtractor"
    )
    given = {
        key: value for key, value in source.processing.items() if not key.endswith("_type") and key != "processor_class"
    }
    if source.kind == "clap":
        given["truncation"] = "rand_trunc" if given.get("truncation") is None else given["truncation"]
    return getattr(transformers, name)(**given)
