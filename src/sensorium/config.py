"""Every option there is. Nothing else parses configuration.

A configuration is plain data (a YAML file, a dict) until `parse_config` has checked all of it; every mistake
is reported at once, each with its path, the value, what is allowed, and the nearest right spelling.
An option left at None gets its value from the table (see `sensorium.build.complete`).
"""

from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensorium.errors import ConfigError, did_you_mean

__all__ = ["Config", "dump_config", "parse_config", "read_config", "set_value"]

Share = Field(ge=0, lt=1)


class Options(BaseModel):
    """A part of the configuration: unknown keys are errors, values don't change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ImageCNN(Options):
    type: Literal["cnn"] = "cnn"
    channels: tuple[int, ...] = Field((32, 64, 128), description="feature maps a stage; each stage halves the picture")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class ImageResNet(Options):
    type: Literal["resnet"] = "resnet"
    channels: tuple[int, ...] = Field((32, 64, 128, 256), description="feature maps a stage")
    blocks: int = Field(2, ge=1, description="residual blocks a stage")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class ImageViT(Options):
    type: Literal["vit"] = "vit"
    patch_size: int = Field(8, ge=1, description="pixels; divides both sides of the input's size")
    layers: int = Field(4, ge=1, description="Transformer blocks")
    num_heads: int = Field(4, ge=1, description="attention heads; divides fusion.width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class TextBag(Options):
    type: Literal["bag"] = "bag"
    dropout: float = Field(0.3, ge=0, lt=1, description="probability")


class TextRNN(Options):
    type: Literal["rnn"] = "rnn"
    layers: int = Field(1, ge=1, description="recurrent layers, each in both directions")
    dropout: float = Field(0.2, ge=0, lt=1, description="probability")


class TextTransformer(Options):
    type: Literal["transformer"] = "transformer"
    layers: int = Field(4, ge=1, description="Transformer blocks")
    num_heads: int = Field(4, ge=1, description="attention heads; divides fusion.width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class AudioMFCCCNN(Options):
    type: Literal["mfcc_cnn"] = "mfcc_cnn"
    n_mfcc: int = Field(20, ge=2, description="cepstral coefficients")
    n_mels: int = Field(64, ge=2, description="mel bands")
    channels: tuple[int, ...] = Field((128, 128, 128), description="feature maps a stage; each stage halves the time")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class AudioMFCCRNN(Options):
    type: Literal["mfcc_rnn"] = "mfcc_rnn"
    n_mfcc: int = Field(20, ge=2, description="cepstral coefficients")
    n_mels: int = Field(64, ge=2, description="mel bands")
    layers: int = Field(1, ge=1, description="recurrent layers, each in both directions")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class AudioLogMelTransformer(Options):
    type: Literal["logmel_transformer"] = "logmel_transformer"
    n_mels: int = Field(64, ge=2, description="mel bands")
    patch_frames: int = Field(4, ge=1, description="spectrogram frames (10 ms each) a token")
    layers: int = Field(4, ge=1, description="Transformer blocks")
    num_heads: int = Field(4, ge=1, description="attention heads; divides fusion.width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class VideoFrames(Options):
    type: Literal["frames"] = "frames"
    channels: tuple[int, ...] = Field((32, 64, 128), description="feature maps a stage of the frames' encoder")
    layers: int = Field(2, ge=1, description="Transformer blocks over time")
    num_heads: int = Field(4, ge=1, description="attention heads; divides fusion.width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class VideoCNN3D(Options):
    type: Literal["cnn3d"] = "cnn3d"
    channels: tuple[int, ...] = Field((24, 48, 96), description="feature maps a stage")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class NumericEncoder(Options):
    type: Literal["numeric"] = "numeric"


class CategoricalEncoder(Options):
    type: Literal["categorical"] = "categorical"


class TabularEncoder(Options):
    type: Literal["tabular"] = "tabular"
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class DenseEncoder(Options):
    type: Literal["dense"] = "dense"
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class CustomPart(BaseModel):
    """A type that somebody's own `add(name, Class)` made known; `build` checks its options against the class."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str


ImageSize = int | tuple[int, int]


class Input(Options):
    column: str | None = Field(None, description="the table's column; the input's own name where left out")
    modality: str
    encoder: Any


class ImageInput(Input):
    modality: Literal["image"] = "image"
    size: ImageSize | None = Field(None, description="pixels: one side of a square, or [height, width]")
    encoder: Any = ImageCNN()


class TextInput(Input):
    modality: Literal["text"] = "text"
    vocabulary: int | None = Field(None, ge=300, description="entries of the byte-pair encoding, at most")
    max_tokens: int | None = Field(None, ge=1, description="tokens; longer texts are cut, and the run says how many")
    encoder: Any = TextTransformer()


class AudioInput(Input):
    modality: Literal["audio"] = "audio"
    sample_rate: int = Field(16000, ge=1000, description="Hz; recordings are resampled to it")
    seconds: float | None = Field(None, gt=0, description="s; longer ones are cut, and the run says how many")
    encoder: Any = AudioMFCCCNN()


class VideoInput(Input):
    modality: Literal["video"] = "video"
    frames: int = Field(16, ge=1, le=512, description="frames, evenly spaced over the clip")
    size: ImageSize | None = Field(None, description="pixels: one side of a square, or [height, width]")
    encoder: Any = VideoFrames()


class NumericInput(Input):
    modality: Literal["numeric"] = "numeric"
    encoder: Any = NumericEncoder()


class CategoricalInput(Input):
    modality: Literal["categorical"] = "categorical"
    encoder: Any = CategoricalEncoder()


class BooleanInput(Input):
    modality: Literal["boolean"] = "boolean"
    encoder: Any = CategoricalEncoder()


class DateInput(Input):
    modality: Literal["date"] = "date"
    encoder: Any = TabularEncoder()


class TabularInput(Options):
    modality: Literal["tabular"] = "tabular"
    columns: tuple[str, ...] = Field(min_length=1, description="numbers, categories, booleans and dates, read together")
    encoder: Any = TabularEncoder()


class VectorInput(Input):
    modality: Literal["vector"] = "vector"
    encoder: Any = DenseEncoder()


class Concat(Options):
    type: Literal["concat"] = "concat"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Mean(Options):
    type: Literal["mean"] = "mean"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")


class Weighted(Options):
    type: Literal["weighted"] = "weighted"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")


class Gated(Options):
    type: Literal["gated"] = "gated"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Deep(Options):
    type: Literal["deep"] = "deep"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    layers: int = Field(3, ge=1, description="residual layers")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Target(Options):
    task: Literal["classification", "multilabel", "regression"] | None = Field(
        None, description="what is to be learned"
    )
    weight: float = Field(1.0, gt=0, description="this target's share of the loss beside other targets")
    class_weights: Literal["auto", "none"] = Field("auto", description="auto: rare classes count more")
    label_smoothing: float = Field(0.05, ge=0, lt=1, description="share of a class's probability spread over all")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability, before the head")


class Training(Options):
    epochs: int | None = Field(None, ge=1, description="passes over the rows, at most")
    batch_size: int | None = Field(None, ge=1, description="rows a step")
    learning_rate: float | None = Field(None, gt=0, description="of AdamW, at its peak")
    weight_decay: float = Field(0.02, ge=0, description="of AdamW")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    patience: int | None = Field(None, ge=1, description="epochs without a better validation loss before stopping")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    valid_share: float = Field(0.15, gt=0, lt=1, description="share of the rows kept for validation, without --valid")
    modality_dropout: float = Field(
        0.15, ge=0, lt=1, description="probability that a row's input is hidden in training"
    )
    augment: bool = Field(True, description="shift and vary images, clips, sounds and words in training")
    precision: Literal["auto", "32", "bf16"] = Field("auto", description="auto: bf16 where the processor is faster so")
    time_limit: float | None = Field(None, gt=0, description="s; training stops in time to be saved by then")
    probes: bool = Field(True, description="score every input alone after training (at most a third of the time)")
    seed: int = Field(0, ge=0, description="of weights, order, dropout and the split")
    threads: int | None = Field(None, ge=1, description="of torch; as many as processors where left out")
    memory: int = Field(4096, ge=0, description="MB of decoded media kept in memory, at most")
    strict: bool = Field(False, description="a file that can't be read is an error, not a missing input")


class LimitOptions(Options):
    max_pixels: int = Field(200_000_000, ge=1, description="pixels of one picture or frame")
    max_seconds: float = Field(14400.0, gt=0, description="s of one recording or clip")
    max_bytes: int = Field(2**31, ge=1, description="bytes of one file")


class Config(Options):
    """The whole configuration. `inputs` and `targets` may be empty: `sensorium.build.complete` fills them."""

    inputs: dict[str, Any] = {}
    fusion: Any = Gated()
    targets: dict[str, Target] = {}
    training: Training = Training()
    limits: LimitOptions = LimitOptions()


INPUTS: dict[str, type[BaseModel]] = {
    "audio": AudioInput,
    "boolean": BooleanInput,
    "categorical": CategoricalInput,
    "date": DateInput,
    "image": ImageInput,
    "numeric": NumericInput,
    "tabular": TabularInput,
    "text": TextInput,
    "vector": VectorInput,
    "video": VideoInput,
}
ENCODERS: dict[str, dict[str, type[Options]]] = {
    "audio": {"mfcc_cnn": AudioMFCCCNN, "mfcc_rnn": AudioMFCCRNN, "logmel_transformer": AudioLogMelTransformer},
    "boolean": {"categorical": CategoricalEncoder},
    "categorical": {"categorical": CategoricalEncoder},
    "date": {"tabular": TabularEncoder},
    "image": {"cnn": ImageCNN, "resnet": ImageResNet, "vit": ImageViT},
    "numeric": {"numeric": NumericEncoder},
    "tabular": {"tabular": TabularEncoder},
    "text": {"bag": TextBag, "rnn": TextRNN, "transformer": TextTransformer},
    "vector": {"dense": DenseEncoder},
    "video": {"frames": VideoFrames, "cnn3d": VideoCNN3D},
}
FUSIONS: dict[str, type[Options]] = {"concat": Concat, "deep": Deep, "gated": Gated, "mean": Mean, "weighted": Weighted}


def read_config(path: str | Path) -> dict[str, Any]:
    """The YAML file at `path` as a dict, unchecked.

    Raises:
        ConfigError: there is no such file, or it is not a mapping in YAML.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must be a mapping with keys such as 'inputs' and 'training'; got {data!r:.80}.")
    return data


def parse_config(data: dict[str, Any]) -> Config:
    """Check `data` whole and return it as a `Config`.

    Raises:
        ConfigError: with one line for each mistake there is.

    Example:
        >>> parse_config({"fusion": {"type": "gatd"}})
        Traceback (most recent call last):
        ...
        sensorium.errors.ConfigError: fusion.type: unknown fusion 'gatd'. Did you mean 'gated'? There are: concat, deep, gated, mean, weighted.
    """
    errors: list[str] = []
    parts: dict[str, Any] = {}
    for key in data:
        if key not in Config.model_fields:
            errors.append(f"{key}: unknown key. {did_you_mean(str(key), Config.model_fields)}")
    inputs = _mapping(data, "inputs", errors)
    parts["inputs"] = {str(name): _input(str(name), value, errors) for name, value in inputs.items()}
    if "fusion" in data:
        parts["fusion"] = _typed("fusion", "fusion", data["fusion"], FUSIONS, "gated", _added_fusions, errors)
    targets = _mapping(data, "targets", errors)
    parts["targets"] = {str(n): _check(Target, v or {}, f"targets.{n}", errors) for n, v in targets.items()}
    for key, cls in (("training", Training), ("limits", LimitOptions)):
        if key in data:
            parts[key] = _check(cls, {} if data[key] is None else data[key], key, errors)
    if errors:
        raise ConfigError("\n".join(errors))
    return Config(**parts)


def dump_config(config: Config) -> str:
    """The YAML text of `config`; `parse_config(yaml.safe_load(text))` gives it back."""
    data = {
        "inputs": {name: value.model_dump(mode="json", exclude_none=True) for name, value in config.inputs.items()},
        "fusion": config.fusion.model_dump(mode="json"),
        "targets": {name: value.model_dump(mode="json", exclude_none=True) for name, value in config.targets.items()},
        "training": config.training.model_dump(mode="json", exclude_none=True),
        "limits": config.limits.model_dump(mode="json"),
    }
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def set_value(data: dict[str, Any], assignment: str) -> None:
    """Apply one `key.path=value` of the command line to `data`; the value is read as YAML.

    A name with dots in it (a column `foto.1`) is found too: the longest existing key wins.

    Raises:
        ConfigError: no '=' in it, or the path leads through something that is not a mapping.
    """
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        raise ConfigError(f"--set must be key.path=value, such as training.epochs=5; got '{assignment}'.")
    words = path.strip().split(".")
    here: Any = data
    while True:
        if not isinstance(here, dict):
            raise ConfigError(f"--set {assignment}: '{path}' leads through a value that has no keys of its own.")
        for length in range(len(words), 0, -1):
            if (key := ".".join(words[:length])) in here or length == 1:
                break
        words = words[length:]
        if not words:
            try:
                here[key] = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ConfigError(f"--set {assignment}: the value is not YAML.") from error
            return
        if here.get(key) is None:
            here[key] = {}
        here = here[key]


def _mapping(data: dict[str, Any], key: str, errors: list[str]) -> dict[Any, Any]:
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        errors.append(f"{key}: must be a mapping from names to options; got {value!r:.80}.")
        return {}
    return value


def _input(name: str, value: Any, errors: list[str]) -> Any:
    path = f"inputs.{name}"
    if not isinstance(value, dict):
        errors.append(f"{path}: must be a mapping such as {{modality: image}}; got {value!r:.80}.")
        return None
    modality = value.get("modality")
    if modality not in INPUTS:
        given = "is not given" if modality is None else f"unknown modality '{modality}'"
        errors.append(f"{path}.modality: {given}. {did_you_mean(str(modality), INPUTS)}")
        return None
    options = dict(value)
    if "encoder" in options:
        first = next(iter(ENCODERS[modality]))
        default = INPUTS[modality].model_fields["encoder"].default
        options["encoder"] = _typed(
            f"{path}.encoder",
            "encoder",
            options["encoder"],
            ENCODERS[modality],
            getattr(default, "type", first),
            lambda: _added_encoders(modality),
            errors,
            f" for input '{name}'",
        )
    return _check(INPUTS[modality], options, path, errors)


def _typed(path, noun, value, known, default, added, errors, whose="") -> Any:
    if isinstance(value, str):
        value = {"type": value}
    if not isinstance(value, dict):
        errors.append(f"{path}: must be a mapping such as {{type: {default}}}; got {value!r:.80}.")
        return None
    kind = value.get("type", default)
    if kind in known:
        return _check(known[kind], {**value, "type": kind}, path, errors)
    others = added()
    if kind in others:
        return CustomPart(**{**value, "type": kind})
    errors.append(f"{path}.type: unknown {noun} '{kind}'{whose}. {did_you_mean(str(kind), {*known, *others})}")
    return None


def _added_encoders(modality: str) -> set[str]:
    from sensorium.encoders import ENCODERS as built  # here: torch is loaded only where a type is not one of ours

    return set(built.get(modality, {}))


def _added_fusions() -> set[str]:
    from sensorium.fusion import FUSIONS as built

    return set(built)


def _check(cls: type[BaseModel], value: Any, path: str, errors: list[str]) -> Any:
    """`cls(**value)`, its mistakes added to `errors` in the words of this project."""
    if not isinstance(value, dict):
        errors.append(f"{path}: must be a mapping of options; got {value!r:.80}.")
        return None
    try:
        return cls(**{str(key): item for key, item in value.items()})
    except ValidationError as error:
        for fault in error.errors():
            place = ".".join([path, *map(str, fault["loc"][:1])])
            if fault["type"] == "extra_forbidden":
                known = set(cls.model_fields)
                errors.append(f"{place}: unknown key. {did_you_mean(str(fault['loc'][-1]), known)}")
                continue
            field = cls.model_fields.get(str(fault["loc"][0])) if fault["loc"] else None
            allowed = get_args(field.annotation) if field is not None else ()
            words = sorted(w for a in allowed for w in (get_args(a) or (a,)) if isinstance(w, str))
            if fault["type"] == "literal_error" and words:
                hint = did_you_mean(str(fault["input"]), words)
                line = f"{place}: unknown value {fault['input']!r}. {hint}"
            elif fault["type"] == "missing":
                line = f"{place}: must be given."
            else:
                line = f"{place}: must be {_must(fault)}; got {fault['input']!r:.80}."
            if line not in errors:
                errors.append(line)
        return None


def _must(fault: Any) -> str:
    words = fault["msg"]
    for start in ("Input should be ", "Value should be "):
        words = words.removeprefix(start)
    return words[:1].lower() + words[1:]
