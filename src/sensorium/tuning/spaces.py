"""What there is to be tuned for a table: which choices its configuration leaves open."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_origin

import yaml
from pydantic import BaseModel

from sensorium.config import ENCODERS, FUSIONS, Config, Training, dump_config, set_value
from sensorium.errors import ConfigError, did_you_mean
from sensorium.planning import FITTED
from sensorium.tuning.choice import Choice, bounds, numbers, one_of

__all__ = ["Ask", "Space", "written_of"]

Ask = Callable[[Choice], Any]

# Options of encoders and fusions, as far as their own bounds allow. Others, such as num_heads, must fit something else.
RANGES: dict[str, tuple[float, float]] = {
    "blocks": (1, 3), "dropout": (0.0, 0.5), "layers": (1, 4), "n_mels": (40, 96), "n_mfcc": (13, 40), "rank": (2, 16),
    "tokens": (2, 8),
}  # fmt: skip
WORDS = {"layers", "weights"}  # options that are one of some words in some types
# Types that are tried only where the configuration has them: `auto` is one of the others, pretrained ones must be asked for,
# motion needs what H.264 files alone have, and the article's are others with less to them.
SPECIAL = {"auto", "flat_cnn", "motion", "plain_concat", "pretrained", "relu"}
OF_PRETRAINED = {"dropout", "layers"}  # of a frozen one, nothing else counts
WIDTHS = (64, 128, 256)
TUNED = ("inputs.", "fusion", "training.", "targets.")  # sections with choices in them


@dataclass(frozen=True)
class Part:
    """Encoders that are chosen as one, or the fusion.

    Args:
        kind: the choice of a type; None: there is one only.
        fixed: of each type, the options that are as they are, as plain data.
        choices: of each type, those that are chosen.
        inputs: of encoders, whose they are.
    """

    kind: Choice | None
    fixed: dict[str, dict[str, Any]]
    choices: dict[str, dict[str, Choice]]
    inputs: tuple[str, ...] = ()

    def draw(self, ask: Ask) -> dict[str, Any]:
        """The options of what is chosen."""
        kind = next(iter(self.fixed)) if self.kind is None else ask(self.kind)
        options = dict(self.fixed[kind])
        for name, choice in self.choices[kind].items():
            found = ask(choice)
            options[name] = _read_channels(found) if name == "channels" else found
        return options


@dataclass
class Space:
    """All choices of a table's tuning.

    What a configuration writes stays, but for what `only` names; the rest is chosen. Options that say what counts, not how
    it is learned (weights of targets and classes, label smoothing, the split), and those that the validation rows decide
    anyhow (the share of hand-made features) are never tuned, so that validation losses of trials can be compared.

    Args:
        config: complete: the defaults.
        written: what of it was given, as plain data.
        only: paths, such as fusion or inputs.photo, of what is chosen, written or not; empty: all that is not written.

    Raises:
        ConfigError: a path of `only` names nothing that can be tuned, or nothing is left to choose.
    """

    config: Config
    written: Mapping[str, Any]
    only: Sequence[str] = ()
    parts: list[Part] = field(init=False)
    training: dict[str, Choice] = field(init=False)
    seen: list[str] = field(init=False, default_factory=list)  # paths that could be tuned

    def __post_init__(self) -> None:
        self.base = yaml.safe_load(dump_config(self.config))
        self.parts = [part for part in (*self._encoders(), self._fusion()) if part is not None]
        self.training = self._training()
        self.target_dropout = self._targets()
        for path in self.only:
            if not any(_within(known, path) for known in self.seen):
                raise ConfigError(f"only: '{path}' is nothing that can be tuned. {did_you_mean(path, self.seen)}")
        if not self.choices:
            raise ConfigError(
                "there is nothing to tune: the configuration writes every option that could be. "
                "Leave some out, or name what is to be tuned with --only, such as --only fusion."
            )

    @property
    def choices(self) -> list[Choice]:
        """All there are, those of types that exclude one another, too."""
        found = [*self.training.values(), *([] if self.target_dropout is None else [self.target_dropout])]
        for part in self.parts:
            found += [] if part.kind is None else [part.kind]
            found += [choice for options in part.choices.values() for choice in options.values()]
        return list({choice.name: choice for choice in found}.values())

    def draw(self, ask: Ask) -> dict[str, Any]:
        """A whole configuration, as plain data, with what `ask` says of each choice."""
        data = copy.deepcopy(self.base)
        for part in self.parts:
            options = part.draw(ask)
            if not part.inputs:
                data["fusion"] = options
            for name in part.inputs:
                own, asked = data["inputs"][name], self.written.get("inputs", {}).get(name) or {}
                if options["type"] != own["encoder"]["type"]:  # sizes that suited the other are found anew
                    own = {key: value for key, value in own.items() if key in asked or key not in FITTED}
                data["inputs"][name] = {**own, "encoder": options}
        data["training"] |= {name: ask(choice) for name, choice in self.training.items()}
        if self.target_dropout is not None:
            dropout = ask(self.target_dropout)
            for name, options in data["targets"].items():
                if self._open("targets", name, "dropout"):
                    options["dropout"] = dropout
        return data

    def defaults(self) -> dict[str, Any]:
        """What the choices are by default, by name."""
        found: dict[str, Any] = {}
        self.draw(lambda choice: found.setdefault(choice.name, choice.default))
        return found

    def _open(self, *keys: str) -> bool:
        """Whether an option that can be tuned is to be chosen; takes note of it."""
        path = ".".join(keys)
        if path not in self.seen:
            self.seen.append(path)
        return self._asked(*keys)

    def _asked(self, *keys: str) -> bool:
        if self.only:
            path = ".".join(keys)
            return any(_within(path, wanted) for wanted in self.only)
        return not _is_written(self.written, keys)

    def _encoders(self) -> list[Part]:
        """Inputs of one modality with the same encoder get the same again: many pictures are one choice."""
        groups: dict[str, list[str]] = {}
        for name, given in self.config.inputs.items():
            if given.encoder.type in ENCODERS[given.modality]:  # else it is somebody's own
                fields = sorted({f for cls in ENCODERS[given.modality].values() for f in cls.model_fields})
                asked = [key for key in fields if self._asked("inputs", name, "encoder", key)]
                groups.setdefault(repr((given.modality, given.encoder, asked)), []).append(name)
        found = []
        for names in groups.values():
            given = self.config.inputs[names[0]]
            path, keys = f"inputs.{'+'.join(names)}.encoder", ("inputs", names[0], "encoder")
            base = self.base["inputs"][names[0]]["encoder"]
            found.append(self._part(path, keys, base, ENCODERS[given.modality], tuple(names)))
        return [part for part in found if part.kind is not None or any(part.choices.values())]

    def _fusion(self) -> Part | None:
        base = self.base["fusion"]
        if base["type"] not in FUSIONS:
            return None
        family = {base["type"]: FUSIONS[base["type"]]}
        if len(self.config.inputs) > 1:  # else there is nothing to be fused
            family |= FUSIONS
        part = self._part("fusion", ("fusion",), base, family)
        free = self._open("fusion", "width")
        for kind, options in part.fixed.items():
            options["width"] = base["width"]
            if free:
                part.choices[kind]["width"] = one_of("fusion.width", base["width"], WIDTHS)
        return part

    def _part(
        self,
        path: str,
        keys: tuple[str, ...],
        base: dict[str, Any],
        family: Mapping[str, type[BaseModel]],
        inputs: tuple[str, ...] = (),
    ) -> Part:
        kinds = [kind for kind in family if kind not in SPECIAL or kind == base["type"]]
        free = len(kinds) > 1 and self._open(*keys, "type")
        fixed: dict[str, dict[str, Any]] = {}
        choices: dict[str, dict[str, Choice]] = {}
        for kind in kinds if free else [base["type"]]:
            fields = family[kind].model_fields
            kept = {
                name: value
                for name, value in base.items()
                if name in fields and _is_written(self.written, (*keys, name))
            }
            fixed[kind] = dict(base) if kind == base["type"] else {**kept, "type": kind}
            defaults = {**family[kind]().model_dump(mode="json"), **fixed[kind]}
            found = {
                name: _option(f"{path}.{kind}.{name}", family[kind], kind, name, defaults[name]) for name in fields
            }
            choices[kind] = {n: choice for n, choice in found.items() if choice is not None and self._open(*keys, n)}
        return Part(one_of(f"{path}.type", base["type"], kinds) if free else None, fixed, choices, inputs)

    def _training(self) -> dict[str, Choice]:
        options = self.config.training

        def ranged(name: str, low: float, high: float, log: bool = False) -> Choice:
            return numbers(f"training.{name}", getattr(options, name), *bounds(Training, name, low, high), log)

        size = options.batch_size
        found = {
            "learning_rate": ranged("learning_rate", 1e-4, 5e-3, log=True),
            "batch_size": one_of("training.batch_size", size, [max(2, size // 2), size, 2 * size]),
            "modality_dropout": ranged("modality_dropout", 0.0, 0.5),
        }
        if options.weight_decay > 0:  # 0 has no logarithm; who wrote it meant it
            found["weight_decay"] = ranged("weight_decay", 1e-3, 0.3, log=True)
        if {given.modality for given in self.config.inputs.values()} & {"image", "text", "audio", "video"}:
            found["augment"] = one_of("training.augment", options.augment, [True, False])
        if len(self.config.inputs) < 2:
            del found["modality_dropout"]
        return {name: choice for name, choice in found.items() if self._open("training", name)}

    def _targets(self) -> Choice | None:
        """One dropout before the heads of all targets that leave it open."""
        names = [name for name in self.config.targets if self._open("targets", name, "dropout")]
        if not names:
            return None
        target = self.config.targets[names[0]]
        return numbers("targets.dropout", target.dropout, *bounds(type(target), "dropout", 0.0, 0.5))


def written_of(given: Mapping[str, Any], chosen: Config, settings: Sequence[str]) -> dict[str, Any]:
    """What of a configuration is written, with the settings in it.

    Args:
        given: as it is written, plain data.
        chosen: the same, complete.
        settings: `key.path=value`, over it.
    """
    data = copy.deepcopy(dict(given))
    own = {str(name): options for name, options in (data.get("inputs") or {}).items()}
    data["inputs"] = {name: own.get(name) or {} for name in chosen.inputs}  # names with dots are found by these
    data["targets"] = {name: (data.get("targets") or {}).get(name) or {} for name in chosen.targets}
    for setting in settings:
        if setting.startswith(TUNED):
            set_value(data, setting)
    return data


def _option(name: str, options: type[BaseModel], kind: str, key: str, default: Any) -> Choice | None:
    """The choice of an option of a type; None: it is not tuned."""
    if kind == "pretrained" and key not in OF_PRETRAINED:
        return None
    if key == "channels":
        halves = ([size * factor // 2 for size in default] for factor in (1, 2, 4))
        return one_of(name, _write_channels(default), [_write_channels(sizes) for sizes in halves if min(sizes) > 0])
    annotation = options.model_fields[key].annotation
    if key in WORDS and get_origin(annotation) is Literal:
        return one_of(name, default, annotation.__args__)
    return numbers(name, default, *bounds(options, key, *RANGES[key])) if key in RANGES else None


def _write_channels(sizes: Sequence[int]) -> str:
    """As a word, since a journal's values are words and numbers."""
    return " ".join(map(str, sizes))


def _read_channels(words: str) -> list[int]:
    return [int(word) for word in words.split()]


def _within(path: str, wanted: str) -> bool:
    return path == wanted or path.startswith(f"{wanted}.")


def _is_written(data: Any, keys: Sequence[str]) -> bool:
    """Whether plain data has a value at a path; a part that is written as a word has its type alone."""
    for place, key in enumerate(keys):
        if isinstance(data, str):
            return place == len(keys) - 1 and key == "type"
        if not isinstance(data, Mapping) or data.get(key) is None:
            return False
        data = data[key]
    return True
