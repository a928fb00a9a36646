"""Plain data to a checked configuration and back.

A configuration is plain data (a YAML file, a dict) until `parse_config` has checked all of it; every mistake
is reported at once, each with its path, the value, what is allowed, and the nearest right spelling.
"""

from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from sensorium.config.encoders import ENCODERS
from sensorium.config.ensemble import Ensemble, Member
from sensorium.config.fusions import FUSIONS
from sensorium.config.inputs import INPUTS
from sensorium.config.options import (
    Balance,
    Config,
    Domain,
    Imbalance,
    LimitOptions,
    Pretraining,
    Privacy,
    Split,
    Target,
    TextTarget,
    Training,
)
from sensorium.config.part import CustomPart
from sensorium.errors import ConfigError, did_you_mean

__all__ = ["SHORT", "dump_config", "parse_config", "read_config", "set_value"]

OWN_READING = {"auto", "motion", "pretrained"}  # encoders for which an input is read in another way than for others
SHORT = {"imbalance": "method", "balance": "method", "domain": "column"}  # sections that may be written as one option


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
        sensorium.errors.ConfigError: fusion.type: unknown fusion 'gatd'. Did you mean 'gated'? There are: attention, bottleneck, concat, deep, experts, film, gated, late, low_rank, mean, plain_concat, tensor, weighted.
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
    parts["targets"] = {
        str(n): _check(_target(v), {} if v is None else v, f"targets.{n}", errors) for n, v in targets.items()
    }
    for key, option in SHORT.items():
        if isinstance(data.get(key), str):
            data = {**data, key: {option: data[key]}}
    sections = {
        "imbalance": Imbalance,
        "balance": Balance,
        "domain": Domain,
        "split": Split,
        "pretraining": Pretraining,
        "privacy": Privacy,
        "training": Training,
        "limits": LimitOptions,
    }
    for key, cls in sections.items():
        if key in data:
            parts[key] = _check(cls, {} if data[key] is None else data[key], key, errors)
    if data.get("ensemble") is not None:
        parts["ensemble"] = _ensemble(data["ensemble"], parts["inputs"], errors)
    if errors:
        raise ConfigError("\n".join(errors))
    return Config(**parts)


def dump_config(config: Config) -> str:
    """The YAML text of `config`; `parse_config(yaml.safe_load(text))` gives it back."""
    data = {
        "inputs": {name: value.model_dump(mode="json", exclude_none=True) for name, value in config.inputs.items()},
        "fusion": config.fusion.model_dump(mode="json"),
        "targets": {name: value.model_dump(mode="json", exclude_none=True) for name, value in config.targets.items()},
        "imbalance": config.imbalance.model_dump(mode="json"),
        "balance": config.balance.model_dump(mode="json"),
        "domain": config.domain.model_dump(mode="json", exclude_none=True),
        "split": config.split.model_dump(mode="json", exclude_none=True),
        "pretraining": config.pretraining.model_dump(mode="json"),
        "privacy": config.privacy.model_dump(mode="json", exclude_none=True),
        "training": config.training.model_dump(mode="json", exclude_none=True),
        "limits": config.limits.model_dump(mode="json"),
    }
    if config.ensemble.members:
        told = [member.model_dump(mode="json", exclude_none=True) for member in config.ensemble.members]
        data["ensemble"] = {"members": [{key: value for key, value in own.items() if value != {}} for own in told]}
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


def _target(value: Any) -> type[Target] | type[TextTarget]:
    """The options that a target has."""
    task = value.get("task", "generation" if "model" in value else None) if isinstance(value, dict) else None
    return TextTarget if task == "generation" else Target


def _input(name: str, value: Any, errors: list[str]) -> Any:
    path = f"inputs.{name}"
    if not isinstance(value, dict):
        errors.append(f"{path}: must be a mapping such as {{modality: image}}; got {value!r:.80}.")
        return None
    modality = value.get("modality")
    if not isinstance(modality, str) or modality not in INPUTS:
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


def _ensemble(value: Any, inputs: dict[str, Any], errors: list[str]) -> Any:
    """The section with its members; their encoders only once the inputs are known."""
    if isinstance(value, dict) and "members" in value:
        if not isinstance(value["members"], list | tuple):
            errors.append(f"ensemble.members: must be a list of mappings; got {value['members']!r:.80}.")
            return None
        members = [
            _member(f"ensemble.members.{number}", {} if member is None else member, inputs, errors)
            for number, member in enumerate(value["members"], 1)
        ]
        value = {**value, "members": [member for member in members if member is not None]}
    return _check(Ensemble, value, "ensemble", errors)


def _member(path: str, value: Any, inputs: dict[str, Any], errors: list[str]) -> Any:
    if not isinstance(value, dict):
        errors.append(f"{path}: must be a mapping of options; got {value!r:.80}.")
        return None
    options = dict(value)
    if options.get("fusion") is not None:
        options["fusion"] = _typed(
            f"{path}.fusion", "fusion", options["fusion"], FUSIONS, "gated", _added_fusions, errors
        )
    encoders, parsed = _mapping(options, "encoders", errors), {}
    for name, encoder in encoders.items():
        given, where = inputs.get(str(name)), f"{path}.encoders.{name}"
        if inputs and str(name) not in inputs:
            errors.append(f"{where}: there is no such input. {did_you_mean(str(name), inputs)}")
        if given is None:
            continue
        found = _typed(
            where, "encoder", encoder, ENCODERS[given.modality], given.encoder.type,
            lambda modality=given.modality: _added_encoders(modality), errors, f" for input '{name}'",
        )  # fmt: skip
        kinds = {given.encoder.type} | ({found.type} if found is not None else set())
        if len(kinds) > 1 and (other := kinds & OWN_READING):
            errors.append(
                f"{where}.type: must read the input as its own encoder ({given.encoder.type}) does; got {found.type}, and "
                f"{min(other)} reads in a way of its own. Leave it out."
            )
        parsed[str(name)] = found
    return _check(Member, {**options, "encoders": parsed}, path, errors)


def _typed(path, noun, value, known, default, added, errors, whose="") -> Any:
    if isinstance(value, str):
        value = {"type": value}
    if not isinstance(value, dict):
        errors.append(f"{path}: must be a mapping such as {{type: {default}}}; got {value!r:.80}.")
        return None
    kind = value.get("type", default)
    if not isinstance(kind, str):
        errors.append(f"{path}.type: must be a name such as {default}; got {kind!r:.80}.")
        return None
    if kind in known:
        return _check(known[kind], {**value, "type": kind}, path, errors)
    others = added()
    if kind in others:
        return CustomPart(**{**{str(key): item for key, item in value.items()}, "type": kind})
    errors.append(f"{path}.type: unknown {noun} '{kind}'{whose}. {did_you_mean(kind, {*known, *others})}")
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
            beside = [other for other in error.errors() if other["loc"][:1] == fault["loc"][:1]]
            if fault["type"] == "literal_error" and len(beside) > 1:
                continue  # a number does, too: its own fault tells of both
            if fault["type"] == "literal_error" and words:
                hint = did_you_mean(str(fault["input"]), words)
                line = f"{place}: unknown value {fault['input']!r}. {hint}"
            elif fault["type"] == "missing":
                line = f"{place}: must be given."
            else:
                must = ", or ".join([_must(fault), *(words if len(beside) > 1 else ())])
                line = f"{place}: must be {must}; got {fault['input']!r:.80}."
            if line not in errors:
                errors.append(line)
        return None


def _must(fault: Any) -> str:
    if fault["type"] == "too_short":
        return f"a list of {fault['ctx']['min_length']} or more"
    words = fault["msg"]
    for start in ("Input should be ", "Value should be "):
        words = words.removeprefix(start)
    return words[:1].lower() + words[1:]
