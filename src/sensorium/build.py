"""Configuration and schema to readers and modules: the only place that knows both."""

import copy
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sensorium.config import INPUTS, SHORT, Config, Imbalance, Target, TextTarget, parse_config
from sensorium.data.schema import Schema
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder, guess_task
from sensorium.errors import ConfigError, DataError, did_you_mean
from sensorium.pretrained.choose import chosen_encoder, wanted_of

if TYPE_CHECKING:
    from torch import nn

    from sensorium.data.batches import Reader
    from sensorium.data.text_target import TextCoder
    from sensorium.media import Limits
    from sensorium.media.loader import MediaLoader
    from sensorium.model import MultimodalModel
    from sensorium.pretrained.source import Source

__all__ = [
    "build_aligner", "build_head", "build_loader", "build_model", "build_readers", "build_rebuilder",
    "build_text_coder", "complete", "restore_readers",
]  # fmt: skip

LONGEST = 256  # tokens that a pretrained model of text reads, if it is not asked for more: their cost is quadratic
OF_BODY = ("model", "rank", "alpha", "checkpointing")  # options of the pretrained network, not of what is put on it
VALUES = ("numeric", "categorical", "boolean", "date")
FAMILIES = {"boolean": "categorical", "date": "tabular"}  # modalities that another one's encoders read


def complete(
    data: dict[str, Any],
    schema: Schema,
    table: Table,
    targets: list[str] | None,
    known: Mapping[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """`data` with everything that is not written filled in from the table, still as plain data.

    Args:
        data: what is written.
        schema: of `table`.
        table: the rows.
        targets: columns; None: there is to be no target, and columns that `data` says are targets are left out.
        known: inputs of another run, by name, which are taken where the table has their columns; options that are written
            for one of that name are over it.

    Inputs that are written are taken as they are, and are then the only ones; without any, every column that is
    not a target, split by, an identifier or ignored becomes one, and value columns together become the input 'columns'.

    Raises:
        ConfigError: an input names a column that the table lacks or that is a target, or there is no input or target.
    """
    data = copy.deepcopy(data)  # what is filled in, or set over it later, leaves the caller's own as it is
    data["training"] = data.get("training") or {}
    for key, option in SHORT.items():
        if isinstance(data.get(key), str):
            data[key] = {option: data[key]}  # so that single options can be set in it
    data["targets"] = {name: dict(value or {}) for name, value in (data.get("targets") or {}).items()}
    for name in targets or ():
        data["targets"].setdefault(name, {})
    if targets is not None and not data["targets"]:
        raise ConfigError(f"no target is given. Name one with --target. There are: {', '.join(table.columns)}.")
    for name, target in data["targets"].items():
        if name not in table.columns:
            raise ConfigError(
                f"{table.name} has no column '{name}' to be the target. {did_you_mean(name, table.columns)}"
            )
        if target.get("task") is None:
            target["task"] = "generation" if "model" in target else guess_task(table.cells(name))
        _check_prompt(name, target.get("prompt"), table, data["targets"])
    split_by = _split_columns(data.get("split"), table, data["targets"])
    domain = _domain_column(data.get("domain"), table, data["targets"])
    written = data.get("inputs")
    left_out = {*data["targets"], *split_by, *domain}
    if written:
        data["inputs"] = _written(written, schema, table, known or {})
    else:
        taken = _taken(known or {}, schema, left_out)
        used = {column for name, given in taken.items() for column in _columns(name, given)}
        data["inputs"] = {**taken, **_guessed(schema, left_out | used, known or {})}
    if not data["inputs"]:
        raise ConfigError(
            f"{table.name} has no column to learn from: beside the target all are empty, constant or identifiers. "
            "Say what a column is with --as COLUMN=MODALITY."
        )
    for name, given in data["inputs"].items():
        columns = _columns(name, given)
        for column in columns:
            if column in data["targets"]:
                raise ConfigError(f"inputs.{name}: column '{column}' is a target; the answer can't be an input.")
            if column in domain:
                raise ConfigError(
                    f"inputs.{name}: column '{column}' is the domain; the model is to tell little of it, so it can't be an "
                    "input. Leave it out of the inputs, or the section domain out."
                )
            if column not in schema.columns:
                raise ConfigError(
                    f"inputs.{name}: {table.name} has no column '{column}'. {did_you_mean(column, schema.columns)}"
                )
        if len(columns) == 1:
            path, facts = f"inputs.{name}.encoder", schema.columns[columns[0]].facts
            wanted = bool(data["training"].get("pretrained"))
            given = _within(path, chosen_encoder, given, lambda column=columns[0]: _sample(table, column), wanted)
            ours = _within(path, wanted_of, given, facts)
            data["inputs"][name] = {**(_defaults(given, facts, len(table)) if ours is None else ours), **given}
    _training(data["training"], len(table), alone=targets is None)
    if targets is None:
        data["targets"] = {}
    return data


def _sample(table: Table, column: str) -> list[Any]:
    """Some of a column's cells, evenly spread."""
    step = max(1, len(table) // 200)
    return table.cells(column)[::step]


def _columns(name: str, given: Mapping[str, Any]) -> list[str]:
    """What an input reads."""
    return list(given["columns"]) if "columns" in given else [given.get("column") or name]


def _taken(known: Mapping[str, dict[str, Any]], schema: Schema, left_out: set[str]) -> dict[str, dict[str, Any]]:
    """Those of another run's inputs whose columns are all there to be read."""
    there = {column.name for column in schema.columns.values() if column.modality != "ignored"} - left_out
    return {name: dict(given) for name, given in known.items() if there.issuperset(_columns(name, given))}


def _check_prompt(name: str, prompt: Any, table: Table, targets: Mapping[str, Any]) -> None:
    """The column of what is asked is there, and no target."""
    if prompt is None:
        return
    if prompt not in table.columns:
        raise ConfigError(
            f"targets.{name}.prompt: {table.name} has no column '{prompt}'. {did_you_mean(str(prompt), table.columns)}"
        )
    if prompt in targets:
        raise ConfigError(f"targets.{name}.prompt: column '{prompt}' is a target; the answer can't be what is asked.")


def _split_columns(split: Any, table: Table, targets: Mapping[str, Any]) -> list[str]:
    """The columns that rows are split by: they are there, and none is a target."""
    found: list[str] = []
    if not isinstance(split, dict):
        return found  # none is written, or `parse_config` refuses it
    for key in ("by", "time"):
        if (column := split.get(key)) is None:
            continue
        if column not in table.columns:
            raise ConfigError(
                f"split.{key}: {table.name} has no column '{column}'. {did_you_mean(column, table.columns)}"
            )
        if column in targets:
            raise ConfigError(f"split.{key}: column '{column}' is a target; rows can't be split by the answer.")
        found.append(column)
    if split.get("folds") == "each" and split.get("by") is None:
        raise ConfigError("split.folds: each needs split.by: one value of that column is kept out at a time. Name it.")
    if split.get("time") is not None and split.get("folds") is not None:
        raise ConfigError(
            "split.time can't go with split.folds: folds learn from later rows to answer earlier ones. "
            "Leave one of them out."
        )
    return found


def _domain_column(domain: Any, table: Table, targets: Mapping[str, Any]) -> list[str]:
    """The column of domains, where one is named: it is there, and no target."""
    column = domain.get("column") if isinstance(domain, dict) else None
    if column is None:
        return []
    if column not in table.columns:
        raise ConfigError(
            f"domain.column: {table.name} has no column '{column}'. {did_you_mean(column, table.columns)}"
        )
    if column in targets:
        raise ConfigError(f"domain.column: column '{column}' is a target; the model must tell it. Take another column.")
    return [column]


def _guessed(schema: Schema, left_out: set[str], taken: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """`taken`: names that are other inputs' already."""
    inputs: dict[str, dict[str, Any]] = {}
    columns = [c for c in schema.columns.values() if c.name not in left_out]
    for column in columns:
        if column.modality in {"image", "text", "audio", "video", "vector"}:
            inputs[column.name] = {"modality": column.modality}
    if values := [column.name for column in columns if column.modality in VALUES]:
        name = "columns"
        while name in inputs or name in taken:
            name += "_"
        inputs[name] = {"modality": "tabular", "columns": values}
    return inputs


def _written(written: Any, schema: Schema, table: Table, known: Mapping[str, dict[str, Any]]) -> Any:
    """Inputs of the user, over those of another run, with the modality of others that name none guessed from their column."""
    if not isinstance(written, dict):
        parse_config({"inputs": written})  # which refuses it
    inputs = {}
    for name, value in written.items():
        value = {} if value is None else value
        other = known.get(str(name), {})
        if isinstance(value, dict) and value.get("modality") in {None, other.get("modality")}:
            value = {**other, **value}
        if isinstance(value, dict) and "modality" not in value:
            column = schema.columns.get(str(value.get("column") or name))
            if column is not None and column.modality in INPUTS:
                value = {"modality": column.modality, **value}
            elif "columns" in value:
                value = {"modality": "tabular", **value}
        inputs[str(name)] = value
    parse_config({"inputs": inputs})  # what is written must hold before anything is added to it
    return inputs


def _defaults(given: Mapping[str, Any], facts: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """What suits this column, for the options of its input that are not written."""
    modality = given["modality"]
    if modality == "image":
        return {"size": _size(facts.get("size"), 64 if rows < 20_000 else 96, patch=given.get("encoder"))}
    if modality == "video":
        kind = given.get("encoder", {"type": "motion" if facts.get("has_motion") else "frames"})
        defaults = {"size": _size(facts.get("size"), 64), "encoder": kind}
        # Spans of motion cost less than frames, and more of them tell more.
        motion = kind == "motion" or (isinstance(kind, dict) and kind.get("type") == "motion")
        return {**defaults, "frames": 32} if motion else defaults
    if modality == "audio":
        rate = int(min(16000, max(8000, facts.get("sample_rate", 16000))))
        return {"sample_rate": rate, "seconds": round(min(30.0, max(0.1, facts.get("most_seconds", 30.0) * 1.2)), 2)}
    if modality == "text":
        return {"encoder": {"type": "bag" if rows < 5000 else "transformer"}}
    return {}


def _size(found: list[int] | None, most: int, patch: Any = None) -> list[int]:
    """The usual picture's shape, its longer side at most half as much again as `most`, its shorter at most `most`."""
    height, width = found or [most, most]
    scale = min(1.0, most / min(height, width), 1.5 * most / max(height, width))
    step = 8 if min(height, width) * scale >= 32 else 4
    patch = {"type": patch} if isinstance(patch, str) else patch
    if isinstance(patch, dict) and patch.get("type") == "vit":
        step = int(patch.get("patch_size", 8))
    return [max(step, 16 // step * step, round(side * scale / step) * step) for side in (height, width)]


def _training(training: dict[str, Any], rows: int, alone: bool = False) -> None:
    """Batches and epochs for 100 rows as for 100,000: some 2,500 steps, no batch below 8 or above 128 rows.

    alone: without targets; there the other rows of a batch are what a row is told from, and more of them tell more.
    """
    defaults = {
        "batch_size": 8 if rows < 300 else 16 if rows < 1000 else 32 if rows < 10_000 else 64 if rows < 50_000 else 128
    }
    if alone:
        defaults["batch_size"] = min(128, 4 * defaults["batch_size"])
    batch = training.get("batch_size") or defaults["batch_size"]
    steps = max(1, rows // batch) if isinstance(batch, int) and batch > 0 else 1
    defaults["epochs"] = min(40, max(5, round(2500 / steps)))
    defaults["learning_rate"] = 1e-3
    defaults["patience"] = 10
    for name, value in defaults.items():
        if training.get(name) is None:
            training[name] = value


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
            readers[name] = ImageReader(column, bag, limits, size=_pair(given.size))
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
                tokenizer, most = _within(f"inputs.{name}.encoder", tokenizer_of, given.encoder.model)
                if given.max_tokens is not None and given.max_tokens > most:
                    raise ConfigError(
                        f"inputs.{name}.max_tokens: must be at most {most}, which its model reads; got {given.max_tokens}."
                    )
                readers[name] = TextReader(column, None, given.max_tokens, min(most, LONGEST), tokenizer)
                continue
            longest = {"longest": 4096} if given.encoder.type == "bag" else {}  # a bag's cost hardly grows with length
            readers[name] = TextReader(column, given.vocabulary, given.max_tokens, **longest)
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
) -> "MultimodalModel":
    """The network for fitted readers and targets.

    Args:
        config: complete.
        readers, coders: fitted.
        sources: of a run's pretrained encoders, by input, whose weights are loaded later; of others they are loaded here.

    Raises:
        ConfigError: sizes that don't go together, with the path of the option.
    """
    from sensorium import encoders, fusion
    from sensorium.model import MultimodalModel
    from sensorium.pretrained.load import body_of

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
            body = _within(path, body_of, given.encoder, given.modality, (sources or {}).get(name))
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
    return MultimodalModel(parts, _make(fusion.FUSIONS[kind], config.fusion, "fusion", width=width), ends, *both)


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


def _within(path: str, function: Callable[..., Any], *args: Any) -> Any:
    """What a function of `sensorium.pretrained` gives; its errors with the option's path."""
    try:
        return function(*args)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


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

    _within(f"targets.{name}", check_installed)  # not only when the training is over
    found = _within(f"targets.{name}", find_language, target.model)
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
    language = _within(path, load_language_model, found, target.model)
    if target.train == "frozen":
        language.requires_grad_(False)
    elif target.train == "lora" and coder.folder is not None:
        _within(path, add_lora, language, target.rank, target.alpha, 0.0, target.model)
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
