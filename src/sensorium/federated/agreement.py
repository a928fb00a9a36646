"""What the sites of a federation agree on before the first round: inputs, sizes, scales, vocabularies, classes.

Every site tells what it makes of its own table; the most rows decide. No row leaves its site, see `counts_of`.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from sensorium.build import build_readers, restore_readers
from sensorium.config import Config, dump_config, parse_config
from sensorium.data.batches import Reader
from sensorium.data.schema import Column, Schema
from sensorium.data.tabular import MOST_CATEGORIES, TabularReader, VectorReader
from sensorium.data.targets import TargetCoder
from sensorium.data.text import TextReader, learn_tokenizer
from sensorium.errors import ConfigError, DataError
from sensorium.federated.moments import Moments, pooled

__all__ = ["Agreement", "agreed_config", "agreed_readers", "agreed_targets", "plain"]

LARGEST = ("frames", "max_tokens", "seconds")  # options of an input that must do for every site
METHODS = ("class_balanced", "class_weights", "focal", "logit_adjustment", "none")  # of imbalance: in the loss alone


def plain(config: Config) -> dict[str, Any]:
    """A configuration as plain data, which `parse_config` reads."""
    return yaml.safe_load(dump_config(config))


class Agreement:
    """All that a site must know to take part: it is sent as JSON.

    Args:
        config, schema: agreed.
        readers, coders: fitted on the counts of all sites.
        terms: how the rounds go, see `sensorium.federated.options.Terms`.
    """

    def __init__(
        self,
        config: Config,
        schema: Schema,
        readers: Mapping[str, Reader],
        coders: Mapping[str, TargetCoder],
        terms: Mapping[str, Any],
    ):
        self.config, self.schema, self.terms = config, schema, dict(terms)
        self.readers, self.coders = dict(readers), dict(coders)

    def to_json(self) -> dict[str, Any]:
        return {
            "config": plain(self.config),
            "schema": self.schema.to_json(),
            "readers": {name: reader.state() for name, reader in self.readers.items()},
            "coders": {name: coder.to_json() for name, coder in self.coders.items()},
            "terms": self.terms,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Agreement":
        config = parse_config(told["config"])
        coders = {name: TargetCoder(**state) for name, state in told["coders"].items()}
        readers = restore_readers(config, told["readers"])
        return cls(config, Schema.from_json(told["schema"]), readers, coders, told["terms"])


def agreed_config(
    proposals: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]
) -> tuple[Config, Schema, dict[str, str]]:
    """The configuration and schema of all sites, and the reason for each site that can't take part.

    Args:
        proposals: of each site by name: rows, config (plain data, complete) and columns (of its schema, as plain data).
        given: what the server's configuration says; it is over all proposals.

    Raises:
        ConfigError: no site can take part, or an option that sites can't follow.
    """
    proposals = dict(sorted(proposals.items()))
    columns, refused = _columns(proposals)
    taking = {name: told for name, told in proposals.items() if name not in refused}
    if not taking:
        raise ConfigError("no site can take part: " + "; ".join(f"{name}: {why}" for name, why in refused.items()))
    rows = [told["rows"] for told in taking.values()]
    configs = [told["config"] for told in taking.values()]
    merged = {key: value for key, value in configs[int(np.argmax(rows))].items()}
    merged["inputs"] = _inputs(configs, rows)
    merged["targets"] = {
        name: _voted([(config["targets"][name], count) for config, count in zip(configs, rows, strict=True)])
        for name in configs[0]["targets"]
    }
    # A pass of a small site over small batches would count as many steps as one of a large site.
    training = merged["training"]
    if "batch_size" not in (given.get("training") or {}):
        training["batch_size"] = int(_median([config["training"]["batch_size"] for config in configs], rows))
    training |= {"wide": False, "refit": False, "probes": False, "precision": "32"}
    training.pop("time_limit", None)
    merged["balance"] = {"method": "none"}
    config = parse_config(merged)
    _check(config)
    return config, Schema(columns, sum(rows)), refused


def _check(config: Config) -> None:
    """What can't be done where rows are apart."""
    for name, target in config.targets.items():
        if target.task == "generation":
            raise ConfigError(
                f"targets.{name}: texts can't be learned by sites together; it must be classes, labels or numbers."
            )
    if config.imbalance.method not in METHODS:
        raise ConfigError(
            f"imbalance.method={config.imbalance.method} needs all rows in one place. Sites can: {', '.join(METHODS)}."
        )
    if config.domain.column is not None:
        raise ConfigError("the section domain needs rows of several domains in one place. Leave it out.")


def _voted(votes: Iterable[tuple[Any, float]]) -> Any:
    """What most rows are for; of even ones, the first."""
    sums: Counter[str] = Counter()
    for value, rows in votes:
        sums[json.dumps(value)] += rows
    return json.loads(sums.most_common(1)[0][0])


def _median(values: Sequence[Any], rows: Sequence[int]) -> Any:
    """The value of the row in the middle; of lists, side by side."""
    if isinstance(values[0], list):
        return [_median(side, rows) for side in zip(*values, strict=True)]
    order = np.argsort(values, kind="stable")
    place = np.searchsorted(np.cumsum(np.asarray(rows)[order]), sum(rows) / 2)
    return values[order[place]]


def _columns(proposals: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Column], dict[str, str]]:
    """The columns of all sites, and the sites whose columns are something else than the others'.

    Kinds of values (numbers, categories) are voted for only: a small site can take one for the other.
    """
    told: dict[str, list[tuple[str, Column, int]]] = defaultdict(list)
    for site, proposal in proposals.items():
        for column in proposal["columns"]:
            told[column["name"]].append((site, Column(**column), proposal["rows"]))
    found, refused = {}, {}
    for name, held in told.items():
        modality = _voted((column.modality, rows) for _, column, rows in held)
        alike = [(column, rows) for _, column, rows in held if column.modality == modality]
        for site, column, _ in held:
            media = {column.modality, modality} & {"audio", "image", "text", "vector", "video"}
            if column.modality != modality and media:
                refused.setdefault(
                    site, f"column '{name}' is {column.modality} there and {modality} with most rows of the federation"
                )
        most = max(column.bag for column, _ in alike)
        size = [column.facts["size"] for column, _ in alike if column.facts.get("size")]
        facts = {"size": _median(size, [1] * len(size))} if size else {}
        missing = sum(column.missing for column, _ in alike)
        unique = max(column.unique for column, _ in alike)
        found[name] = Column(name, modality, f"agreed by {len(alike)} sites", missing, unique, most, facts)
    return found, refused


def _inputs(configs: Sequence[Mapping[str, Any]], rows: Sequence[int]) -> dict[str, Any]:
    """Every input that some site has; each option as most rows have it, or so that it does for all."""
    held: dict[str, list[tuple[dict[str, Any], int]]] = defaultdict(list)
    for config, count in zip(configs, rows, strict=True):
        for name, given in config["inputs"].items():
            held[name].append((given, count))
    merged = {}
    for name, votes in held.items():
        modality = _voted((given["modality"], count) for given, count in votes)
        votes = [(given, count) for given, count in votes if given["modality"] == modality]
        options: dict[str, Any] = {}
        for key in dict.fromkeys(key for given, _ in votes for key in given):
            values = [given[key] for given, _ in votes if key in given]
            counts = [count for given, count in votes if key in given]
            if key == "columns":
                options[key] = list(dict.fromkeys(column for value in values for column in value))
            elif key in LARGEST:
                options[key] = max(values)
            elif key == "size":
                sides = [value if isinstance(value, list) else [value, value] for value in values]
                options[key] = _median(sides, counts)
            else:
                options[key] = _voted(zip(values, counts, strict=True))
        merged[name] = options
    return merged


def agreed_readers(config: Config, schema: Schema, told: Sequence[Mapping[str, Any]]) -> dict[str, Reader]:
    """Readers fitted on what the sites counted, as they would be on all training rows in one place.

    Args:
        config, schema: as agreed.
        told: what `counts_of` gave at each site, its `inputs`.

    Raises:
        DataError: no site has an input's values.
    """
    readers = build_readers(config, schema)
    for name, reader in readers.items():
        parts = [part[name] for part in told if part.get(name)]
        if isinstance(reader, TabularReader):
            _fit_tabular(reader, parts)
        elif isinstance(reader, VectorReader):
            _fit_vector(name, reader, parts)
        elif isinstance(reader, TextReader):
            _fit_text(reader, parts)
    return readers


def _moments(part: Mapping[str, Any]) -> Moments:
    return Moments(*(np.array(values, dtype=np.float64) for values in part["moments"]))


def _fit_tabular(reader: TabularReader, parts: Sequence[Mapping[str, Any]]) -> None:
    whole = pooled([_moments(part) for part in parts])
    reader.mean, reader.scale = whole.mean, whole.scale
    reader.day_first = sorted({name for part in parts for name in part["day_first"]})
    for name, kind in reader.kinds.items():
        if kind in {"boolean", "categorical"}:
            seen: Counter[str] = Counter()
            for part in parts:
                seen.update(part["categories"].get(name, {}))
            # An encoder needs one category; where none may be told of, every cell is an unknown one.
            reader.categories[name] = sorted(value for value, _ in seen.most_common(MOST_CATEGORIES)) or [""]


def _fit_vector(name: str, reader: VectorReader, parts: Sequence[Mapping[str, Any]]) -> None:
    if not parts:
        raise DataError(f"input '{name}' holds a vector in no row of any site.")
    reader.size = _voted((part["size"], part["moments"][0][0]) for part in parts)
    whole = pooled([_moments(part) for part in parts if part["size"] == reader.size])
    reader.mean, reader.scale = whole.mean, whole.scale


def _fit_text(reader: TextReader, parts: Sequence[Mapping[str, Any]]) -> None:
    if reader.given:
        reader.fit([])
        return
    words: Counter[str] = Counter()
    for part in parts:
        words.update(part["words"])
    characters = sum(part["characters"] for part in parts)
    wanted = reader.vocabulary or int(np.clip(characters // 100, 1000, 16000))
    reader.tokenizer = learn_tokenizer(
        (w for w, count in sorted(words.items()) for _ in range(count)), wanted, pieces=True
    )
    reader.vocabulary = reader.tokenizer.get_vocab_size()
    if reader.max_tokens is None:
        # Nobody knows how many tokens a text has before there are any: its bytes, and how many make a token here.
        pieces = sum(count * len(reader.tokenizer.encode(word.strip()).ids) for word, count in words.items())
        size = sum(count * len(word.encode()) for word, count in words.items())
        longest = max((part["bytes"] for part in parts), default=0.0)
        reader.max_tokens = int(np.clip(1.25 * longest * pieces / size if size else 8, 8, reader.longest))


def agreed_targets(config: Config, told: Sequence[Mapping[str, Any]]) -> dict[str, TargetCoder]:
    """Coders of the targets, with the classes and scales of all sites' training rows.

    Args:
        config: as agreed.
        told: what `counts_of` gave at each site, its `targets`.

    Raises:
        DataError: there is nothing to learn.
    """
    coders = {}
    for name, target in config.targets.items():
        parts = [part[name] for part in told if name in part]
        if target.task == "regression":
            whole = pooled([_moments(part) for part in parts])
            if whole.squares[0] == 0:
                raise DataError(f"target '{name}' is one number in every row of every site; there is nothing to learn.")
            coders[name] = TargetCoder(name, "regression", mean=float(whole.mean[0]), scale=float(whole.scale[0]))
            continue
        seen: Counter[str] = Counter()
        for part in parts:
            seen.update(part["classes"])
        classes = sorted(seen)
        if len(classes) < (1 if target.task == "multilabel" else 2):
            raise DataError(
                f"target '{name}' has {len(classes)} classes in the rows of all sites; there is nothing to learn."
            )
        task = "multilabel" if target.task == "multilabel" else "binary" if len(classes) == 2 else "classification"
        coders[name] = TargetCoder(name, task, classes, [seen[name] for name in classes])
    return coders
