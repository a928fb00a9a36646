"""What a fit does for its time: a word that comes to options of the configuration, where it writes none."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from sensorium.config import Config, dump_config, parse_config
from sensorium.data.table import Table
from sensorium.errors import ConfigError, did_you_mean
from sensorium.tuning.spaces import Space, written_of

__all__ = ["PRESETS", "begun", "with_members"]

PRESETS = ("fast", "balanced", "best")
MEMBERS = 6  # networks of best
QUICK = 3  # epochs of fast where a linear model can't answer
LINEAR_ROWS = 60, 20_000  # labelled rows of which a linear model of hand-made features is sure to be fitted
LINEAR_VALUES = 300  # different ones of a target
# Types that fit any size of their inputs and of the fusion, and learn in the time of the others.
STURDY = {
    "bag", "cnn", "cnn3d", "concat", "film", "frames", "gated", "low_rank", "mfcc_cnn", "mfcc_rnn", "resnet", "rnn", "tabular",
}  # fmt: skip


def begun(preset: str, given: Mapping[str, Any], table: Table, targets: Sequence[str] | None) -> dict[str, Any]:
    """A configuration as it is written, with what a preset says of the training where that writes nothing.

    fast: the linear model of hand-made features alone, where one can answer. balanced: nothing. best: pretrained encoders
    that are installed; see `with_members` besides.

    Args:
        preset: one of PRESETS.
        given: plain data.
        table: the training rows.
        targets: columns that are named beside the configuration.

    Raises:
        ConfigError: there is no such preset.
    """
    if preset not in PRESETS:
        raise ConfigError(f"unknown preset '{preset}'. {did_you_mean(preset, PRESETS)}")
    given = dict(given)
    options: dict[str, Any] = {}
    if preset == "best":
        options["pretrained"] = True
    if preset == "fast":
        own = {str(name): target or {} for name, target in (given.get("targets") or {}).items()}
        names = {*own, *(targets or ())}
        linear = all(_linear_answers(table, name, own.get(name, {})) for name in names)
        options |= {"probes": False, "epochs": 0 if linear else QUICK}
        if (given.get("privacy") or {}).get("epsilon") is not None:
            options["epochs"] = QUICK  # a linear model would learn without noise
    written = {key: value for key, value in (given.get("training") or {}).items() if value is not None}
    if written.get("wide") is False and options.get("epochs") == 0:
        options["epochs"] = QUICK
    if options:
        given["training"] = {**options, **written}
    return given


def with_members(preset: str, config: Config, given: Mapping[str, Any], settings: Sequence[str]) -> Config:
    """A complete configuration with the networks of the preset best: its own, and others by seed, fusion and encoders.

    Which types there are to choose from is what `sensorium.tune` would choose from, as far as they surely fit.

    Args:
        preset: one of PRESETS; of the others nothing is changed, nor is what names its networks or can have only one.
        config: complete.
        given, settings: what of it is written, and stays.
    """
    if preset != "best" or config.ensemble.members or _one_network(config):
        return config
    seed, random = config.training.seed, np.random.default_rng(config.training.seed)
    try:
        parts = Space(config, written_of(given, config, settings)).parts
    except ConfigError:  # all is written: the seeds differ
        parts = []
    members: list[dict[str, Any]] = [{}]
    for more in range(1, MEMBERS):
        member: dict[str, Any] = {"seed": seed + more, "encoders": {}}
        for part in parts:
            own = None if part.kind is None else part.kind.default
            others = [kind for kind in part.fixed if kind in STURDY and kind != own]
            if own not in STURDY or not others or random.random() < 0.5:
                continue
            options = part.fixed[others[random.integers(len(others))]]
            if part.inputs:
                member["encoders"] |= dict.fromkeys(part.inputs, options)
            else:
                member["fusion"] = options
        members.append(member)
    return parse_config({**yaml.safe_load(dump_config(config)), "ensemble": {"members": members}})


def _linear_answers(table: Table, name: str, target: Mapping[str, Any]) -> bool:
    """Whether a linear model of hand-made features can be expected for a target; an unknown one is refused later."""
    if name not in table.columns:
        return True
    cells = [cell for cell in table.cells(name) if cell is not None and cell != ""]
    if not LINEAR_ROWS[0] <= len(cells) or len(table) > LINEAR_ROWS[1]:
        return False
    if "model" in target or target.get("task") == "generation":
        return False
    numbers = all(isinstance(cell, int | float) for cell in cells)
    return numbers or len({str(cell) for cell in cells}) <= LINEAR_VALUES


def _one_network(config: Config) -> bool:
    """Whether the configuration asks for what several networks can't do."""
    texts = any(target.task == "generation" for target in config.targets.values())
    private, domains = config.privacy.epsilon is not None, config.domain.column is not None
    return texts or private or domains or config.imbalance.method in {"auto", "gan"}
