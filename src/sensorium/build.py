"""Configuration and schema to readers and modules."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sensorium.completion import VALUES
from sensorium.config import Config, Imbalance, Target, TextTarget, member_config
from sensorium.data.schema import Schema
from sensorium.data.targets import TargetCoder
from sensorium.errors import ConfigError, DataError, did_you_mean, within

if TYPE_CHECKING:
    from torch import nn

    from sensorium.data.batches import Reader
    from sensorium.data.text_target import TextCoder
    from sensorium.media import Limits
    from sensorium.media.loader import MediaLoader
    from sensorium.model import MultimodalModel
    from sensorium.pretrained.source import Source

__all__ = [
    "build_aligner", "build_head", "build_loader", "build_members", "build_model", "build_readers", "build_rebuilder",
    "build_text_coder", "restore_readers",
]  # fmt: skip

LONGEST = 256  # tokens that a pretrained model of text reads, if it is not asked for more: their cost is quadratic
OF_BODY = ("model", "rank", "alpha", "checkpointing")  # options of the pretrained network, not of what is put on it
FAMILIES = {"boolean": "categorical", "date": "tabular"}  # modalities that another one's encoders read


def build_readers(config: Config, schema: Schema) -> dict[str, "Reader"]:
    """A reader for each input, not fitted yet."""
    from sensorium.data.media_readers import AudioReader, ImageReader, MotionReader, VideoReader
    from sensorium.data.tabular import TabularReader, VectorReader
    from sensorium.data.text import TextReader
    from sensorium.pretrained.load import tokenizer_of

    limits = media_limits(config)
    readers: dict[str, Any] = {}
    for name, given in config.inputs.items():
        modality = given.modality
        if modality == "tabular":
            kinds = {c: schema.columns[c].modality for c in given.columns}
            for column, kind in kinds.items():
                if kind not in VALUES:
                    raise ConfigError(
                        f"inputs.{name}: column '{column}' must be one of {', '.join(VALUES)}; it is {kind}. "
                        f"Say --as {column}=categorical, or leave it out."
                    )
            readers[name] = TabularReader(kinds)
            continue
        column = given.column or name
        bag = schema.columns[column].bag
        if modality == "image":
            faces = {"faces": "blur"} if config.training.blur_faces else {}
            readers[name] = ImageReader(column, bag, limits, size=_pair(given.size), **faces)
        elif modality == "audio":
            readers[name] = AudioReader(column, bag, limits, sample_rate=given.sample_rate, seconds=given.seconds)
        elif modality == "video":
            if given.encoder.type == "motion":
                extent = {"grid": given.encoder.grid, "pictures": given.encoder.pictures, "size": _pair(given.size)}
                readers[name] = MotionReader(column, bag, limits, steps=given.frames, **extent)
            else:
                readers[name] = VideoReader(column, bag, limits, frames=given.frames, size=_pair(given.size))
        elif modality == "text":
            if given.encoder.type == "pretrained":
                if given.vocabulary is not None:
                    raise ConfigError(f"inputs.{name}.vocabulary: must be left out; its pretrained model has its own.")
                tokenizer, most = within(f"inputs.{name}.encoder", tokenizer_of, given.encoder.model)
                if given.max_tokens is not None and given.max_tokens > most:
                    raise ConfigError(
                        f"inputs.{name}.max_tokens: must be at most {most}, which its model reads; got {given.max_tokens}."
                    )
                readers[name] = TextReader(
                    column, None, given.max_tokens, min(most, LONGEST), tokenizer, config.training.redact
                )
                continue
            longest = {"longest": 4096} if given.encoder.type == "bag" else {}  # a bag's cost hardly grows with length
            readers[name] = TextReader(
                column, given.vocabulary, given.max_tokens, **longest, redact=config.training.redact
            )
        elif modality == "vector":
            readers[name] = VectorReader(column)
        else:
            readers[name] = TabularReader({column: modality})
    return readers


def restore_readers(config: Config, states: Mapping[str, dict[str, Any]]) -> dict[str, "Reader"]:
    """The fitted readers of a run folder, from what their `state()` gave."""
    from sensorium.data.media_readers import AudioReader, ImageReader, MotionReader, VideoReader
    from sensorium.data.tabular import TabularReader, VectorReader
    from sensorium.data.text import TextReader

    kinds = {
        "audio": AudioReader,
        "image": ImageReader,
        "text": TextReader,
        "vector": VectorReader,
        "video": VideoReader,
    }
    limits = {"limits": media_limits(config)}

    def kind(given: Any) -> type:
        if given.modality == "video" and given.encoder.type == "motion":
            return MotionReader
        return kinds.get(given.modality, TabularReader)

    return {
        name: kind(given).restore(states[name], **(limits if given.modality in {"audio", "image", "video"} else {}))
        for name, given in config.inputs.items()
    }


def media_limits(config: Config) -> "Limits":
    """What one file may ask for."""
    from sensorium.media import Limits

    given = config.limits
    return Limits(given.max_pixels, given.max_seconds, given.max_bytes)


def build_loader(config: Config, say: Callable[[str], None] = lambda _: None) -> "MediaLoader":
    """What reads media files for a configuration: the decoding processes and the cache that all of a program share."""
    from sensorium.media.cache import open_cache
    from sensorium.media.loader import MediaLoader, shared_pool

    options, limits = config.training, config.limits
    cache = None
    if options.cache_size:
        try:
            cache = open_cache(size=options.cache_size * 10**6)
        except DataError as error:
            say(f"warning: {error} Nothing is cached.")
    return MediaLoader(shared_pool(options.workers, limits.decode_seconds, limits.decode_memory), cache)


def build_model(
    config: Config,
    readers: Mapping[str, "Reader"],
    coders: Mapping[str, TargetCoder],
    sources: Mapping[str, "Source"] | None = None,
    beside: "MultimodalModel | None" = None,
) -> "MultimodalModel":
    """The network for fitted readers and targets.

    Args:
        config: complete.
        readers, coders: fitted.
        sources: of a run's pretrained encoders, by input, whose weights are loaded later; of others they are loaded here.
        beside: a network of the same inputs, whose frozen pretrained bodies are this one's, too: they are in memory once.

    Raises:
        ConfigError: sizes that don't go together, with the path of the option.
    """
    from sensorium import encoders, fusion
    from sensorium.encoders.bag import of_item
    from sensorium.model import MultimodalModel
    from sensorium.pretrained.load import body_of
    from sensorium.privacy.norms import without_batch_norm

    width = getattr(config.fusion, "width", 128)
    token_width = getattr(config.fusion, "token_width", None) or width
    parts = {}
    for name, given in config.inputs.items():
        family = encoders.ENCODERS.get(FAMILIES.get(given.modality, given.modality), {})
        if given.encoder.type not in family:
            raise ConfigError(
                f"inputs.{name}.encoder.type: unknown encoder '{given.encoder.type}'. {did_you_mean(given.encoder.type, family)}"
            )
        path, cls = f"inputs.{name}.encoder", family[given.encoder.type]
        if given.encoder.type == "pretrained":
            if beside is not None and name in beside.frozen:
                body = of_item(beside.encoder(name)).body
            else:
                body = within(path, body_of, given.encoder, given.modality, (sources or {}).get(name))
            if given.modality == "audio" and given.sample_rate != body.source.sample_rate:
                raise ConfigError(
                    f"inputs.{name}.sample_rate: must be left out or {body.source.sample_rate}, which the model "
                    f"'{body.source.name}' reads; got {given.sample_rate}."
                )
            encoder = _make(cls, given.encoder, path, skip=OF_BODY, width=token_width, body=body)
        else:
            encoder = _make(cls, given.encoder, path, width=token_width, **_sizes(given, readers[name]))
        parts[name] = encoders.Bag(encoder) if getattr(readers[name], "bag", 1) > 1 else encoder
    kind = config.fusion.type
    if kind not in fusion.FUSIONS:
        raise ConfigError(f"fusion.type: unknown fusion '{kind}'. {did_you_mean(kind, fusion.FUSIONS)}")
    ends = {name: build_head(coder, config.targets[name], config.imbalance, width) for name, coder in coders.items()}
    both = None, None
    if not coders:  # it learns from its inputs alone
        both = build_aligner(config, token_width), build_rebuilder(config, readers, width)
    model = MultimodalModel(parts, _make(fusion.FUSIONS[kind], config.fusion, "fusion", width=width), ends, *both)
    if config.privacy.epsilon is not None:
        without_batch_norm(model)
    return model


def build_members(
    config: Config,
    places: Sequence[int],
    readers: Mapping[str, "Reader"],
    coders: Mapping[str, TargetCoder],
    sources: Mapping[str, "Source"] | None = None,
) -> "MultimodalModel":
    """The networks at `places` in the configuration's ensemble as one model, its weights to be loaded; of one, that network.

    Raises:
        ConfigError: as of `build_model`.
    """
    from sensorium.ensemble.committee import committee_of

    first, *others = (member_config(config, place) for place in places)
    networks = [build_model(first, readers, coders, sources)]
    networks += [build_model(other, readers, coders, sources, networks[0]) for other in others]
    if len(networks) == 1:
        return networks[0]
    return committee_of(networks, {name: [1.0] * len(networks) for name in coders})


def build_aligner(config: Config, width: int) -> "nn.Module | None":
    """What brings the inputs of a row together, where there are two and `pretraining` asks for it."""
    from sensorium.heads.alignment import Alignment

    options = config.pretraining
    if len(config.inputs) < 2 or not options.contrastive:
        return None
    return Alignment(tuple(config.inputs), width, options.size, options.temperature)


def build_rebuilder(config: Config, readers: Mapping[str, "Reader"], width: int) -> "nn.Module | None":
    """What rebuilds the inputs from the fused vector, where `pretraining` asks for it; `width`: of that vector."""
    from sensorium.decoders import DECODERS, FirstOfBag
    from sensorium.heads.reconstruction import Reconstruction

    if not config.pretraining.reconstruction:
        return None
    parts = {}
    for name, given in config.inputs.items():
        reader = readers[name]
        if reader.modality == "tabular":
            sizes = {"numeric": reader.numeric, "categories": reader.sizes}
        elif reader.modality == "motion":
            sizes = {"size": reader.lengths[0]}
        elif reader.modality == "video":
            sizes = {"size": _pair(given.size), "frames": given.frames}
        elif reader.modality == "audio":
            sizes = {"sample_rate": given.sample_rate, "seconds": given.seconds}
        elif reader.modality == "text":
            sizes = {"vocabulary": reader.vocabulary}
        else:
            sizes = _sizes(given, reader)
        decoder = DECODERS[reader.modality](width, **sizes)
        parts[name] = FirstOfBag(decoder) if getattr(reader, "bag", 1) > 1 else decoder
    return Reconstruction(parts)


def build_text_coder(name: str, cells: Sequence[Any], target: TextTarget) -> "TextCoder":
    """The coder of a target of texts: all that its language model needs but the weights.

    Args:
        name: of the target.
        cells: to learn from.
        target: its options.

    Raises:
        ConfigError: a package is not installed, or the model can't be used; with the target's name.
    """
    from sensorium.data.text_target import fit_text
    from sensorium.evaluation.text_metrics import check_installed
    from sensorium.pretrained.causal_lm import find_language

    within(f"targets.{name}", check_installed)  # not only when the training is over
    found = within(f"targets.{name}", find_language, target.model)
    return fit_text(
        name, cells, found.tokenizer, found.config, found.end, target.max_tokens, target.prefix, found.positions,
        target.prompt, found.folder,
    )  # fmt: skip


def _writer(coder: "TextCoder", target: TextTarget, **common: Any) -> "nn.Module":
    """The head of texts, its language model with weights where the coder knows a folder of them: while fitting."""
    from sensorium import heads
    from sensorium.pretrained.causal_lm import Language, load_language_model
    from sensorium.pretrained.lora import add_lora

    path, found = f"targets.{coder.name}", Language(coder.language, coder.tokenizer, coder.end, coder.folder)
    language = within(path, load_language_model, found, target.model)
    if target.train == "frozen":
        language.requires_grad_(False)
    elif target.train == "lora" and coder.folder is not None:
        within(path, add_lora, language, target.rank, target.alpha, 0.0, target.model)
    rate = target.learning_rate or (5e-4 if target.train == "lora" else 5e-5)
    sizes = {"prefix": target.prefix, "max_tokens": coder.max_tokens, "end": coder.end}
    return heads.Generation(language, learning_rate=rate, **sizes, **common)


def build_head(coder: TargetCoder, target: Target | TextTarget, imbalance: Imbalance, width: int) -> "nn.Module":
    """The head of a fitted target, whose loss does for rare classes what `imbalance.method` says.

    Methods that do nothing in the loss (samplers, what comes after training) give the plain loss, or that of
    class_weights where they train by it.
    """
    from sensorium import heads
    from sensorium.data.balance import effective_weights, log_shares

    common: dict[str, Any] = {"width": width, "dropout": target.dropout}
    if coder.task == "generation":
        return _writer(coder, target, **common)
    if coder.task == "multilabel":
        return heads.Multilabel(len(coder.classes), **common)
    if coder.task == "regression":
        return heads.Regression(**common)
    weights, shift = None, None
    if imbalance.method in {"auto", "class_weights", "gan", "threshold"} and target.class_weights == "auto":
        weights = coder.class_weights()
    elif imbalance.method == "class_balanced":
        weights = effective_weights(coder.counts, imbalance.beta)
    elif imbalance.method == "logit_adjustment":
        shift = [imbalance.tau * share for share in log_shares(coder.counts)]
    common["gamma"] = imbalance.gamma if imbalance.method == "focal" else 0.0
    if coder.task == "binary":
        weight = None if weights is None else weights[1] / weights[0]
        return heads.Binary(positive_weight=weight, shift=0.0 if shift is None else shift[1] - shift[0], **common)
    smooth = target.label_smoothing
    return heads.Classification(len(coder.classes), weights=weights, label_smoothing=smooth, shift=shift, **common)


def _sizes(given: Any, reader: Any) -> dict[str, Any]:
    """What an encoder must know of its data."""
    if given.modality == "text":
        sizes = {"vocabulary": reader.vocabulary, "max_tokens": reader.max_tokens}
    elif given.modality == "audio":
        sizes = {"sample_rate": given.sample_rate}
    elif given.modality == "video":
        sizes = {"max_frames": max(given.frames, 64), "steps": given.frames, "size": _pair(given.size)}
    elif given.modality == "image":
        sizes = {"size": _pair(given.size)}
    elif given.modality == "vector":
        sizes = {"size": reader.size}
    elif given.encoder.type == "tabular":
        sizes = {"numeric": reader.numeric, "categories": reader.sizes}
    elif given.encoder.type == "categorical":
        sizes = {"categories": reader.sizes[0]}
    else:
        sizes = {}
    return sizes


def _make(cls: type, part: Any, path: str, skip: Collection[str] = (), **known: Any) -> Any:
    """`cls` with the options of `part` but those of `skip`, and those of `known` that it takes."""
    takes = inspect.signature(cls).parameters
    chosen = {name: value for name, value in part.model_dump().items() if name not in {"type", *skip}}
    for name in chosen:
        if name not in takes:
            raise ConfigError(f"{path}.{name}: unknown key. {did_you_mean(name, takes)}")
    try:
        return cls(**{name: value for name, value in known.items() if name in takes} | chosen)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _pair(size: int | tuple[int, int] | list[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
