"""One pretraining, from a table without labels to all that a run holds."""

import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from sensorium.build import build_loader, build_model, build_readers
from sensorium.config import Config
from sensorium.data.batches import EpochSampler, Rows
from sensorium.data.cells import is_missing
from sensorium.data.problems import Problems
from sensorium.data.schema import Schema
from sensorium.data.table import Table
from sensorium.errors import ConfigError, DataError
from sensorium.model import MultimodalModel
from sensorium.pretrained.lora import merge_lora
from sensorium.pretraining.anomaly import learn_usual
from sensorium.pretraining.objective import Objective
from sensorium.training.augment import kinds
from sensorium.training.fit import Fitted, any_input, fit_readers
from sensorium.training.frozen import remember
from sensorium.training.loop import measured_precision, train
from sensorium.training.record import begin, kept_precision, run_record
from sensorium.training.sides import choose_sides, warn_of_shared

__all__ = ["possible", "recall", "run_pretraining"]


def possible(config: Config, table: Table, say: Callable[[str], None] = lambda _: None) -> Config:
    """`config` without the contrast where it can't be: too few rows have two inputs.

    Raises:
        ConfigError: then nothing is left to learn by.
        DataError: fewer than 4 rows.
    """
    if len(table) < 4:
        raise DataError(f"{table.name} has {len(table)} rows; 4 at least are needed, to learn and to check.")
    options = config.pretraining
    if options.contrastive:
        count = np.zeros(len(table), dtype=int)
        for name, given in config.inputs.items():
            columns = given.columns if given.modality == "tabular" else [given.column or name]
            count += np.any([[not is_missing(cell) for cell in table.cells(column)] for column in columns], axis=0)
        if len(config.inputs) < 2:
            reason = f"there is one input only, '{next(iter(config.inputs))}'"
        elif (count >= 2).sum() < 4:
            reason = f"{(count >= 2).sum()} of {len(table)} rows have two inputs"
        else:
            return config
        if not options.reconstruction:
            raise ConfigError(
                f"pretraining.reconstruction is 0, and inputs can't be brought together: {reason}. "
                "Set it above 0, or give rows with two inputs."
            )
        say(f"{reason}: nothing can be brought together; it learns by rebuilding alone.")
        return config.model_copy(update={"pretraining": options.model_copy(update={"contrastive": 0.0})})
    if not options.reconstruction:
        raise ConfigError("pretraining.contrastive and pretraining.reconstruction must not both be 0.")
    return config


def run_pretraining(
    table: Table,
    valid: Table | None,
    config: Config,
    schema: Schema,
    folder: Path,
    resume: bool,
    say: Callable[[str], None],
    report: Callable[[dict[str, Any]], None],
) -> Fitted:
    """Learn from rows as `config.pretraining` says, with checkpoints in `folder`; see `sensorium.pretrain`.

    Args:
        table, valid: rows to learn from and to choose the epoch by; None takes a part of `table`.
        config: complete and `possible`.
        schema: of `table`.
        folder: for checkpoints, which stay there.
        resume: go on from them.
        say, report: called with lines of text, and with numbers after each step.

    Raises:
        SensoriumError: whatever is wrong with the rows, the options or the media.
    """
    started = time.monotonic()
    options = config.training
    begin(options)
    problems, warnings = Problems(strict=options.strict), []
    loader, memory = build_loader(config, say), options.memory * 2**20
    if valid is None:
        table, valid = choose_sides(table, None, config, loader, warnings)
    else:
        warn_of_shared(table, valid, config, loader, warnings)
    readers = build_readers(config, schema)
    fit_readers(readers, table)
    model = build_model(config, readers, {})
    rows = Rows(table, readers, None, problems, loader, memory)
    checked = Rows(valid, readers, None, problems, loader, memory // 4)
    say(f"{len(rows)} rows to learn from, {len(checked)} to validate with; {len(readers)} inputs.")
    any_input(rows)
    remember(model, [rows, checked], loader.cache, say, options.precision)
    modalities = kinds(readers)
    objective = Objective(config.pretraining, modalities)
    precision = kept_precision(folder, resume, lambda: measured_precision(model, rows, options, modalities, objective))
    # Whole inputs are hidden where they are rebuilt, not where they are brought together.
    chosen = options.model_copy(update={"precision": precision, "modality_dropout": 0.0})
    sampler = EpochSampler(len(rows), options.seed)
    trained = train(
        model, rows, checked, chosen, folder, modalities, {}, started, report, resume, sampler, objective=objective,
        say=say,
    )  # fmt: skip
    merge_lora(model)
    size = max(options.batch_size, 32)
    if model.rebuilder is not None:
        learn_usual(model, checked, size)
    best = min(trained.history, key=lambda row: row["valid_loss"], default={})
    found = {name: best[name] for name in ("valid_loss", "valid_contrast", "valid_rebuild") if name in best}
    found["recall"] = [] if model.aligner is None else recall(model, checked, size)
    for line in problems.lines():
        say(line)
    warnings += trained.warnings
    for warning in warnings:
        say(f"warning: {warning}")
    metrics = {
        "targets": {},
        "pretraining": found,
        "seconds": {"total": time.monotonic() - started},
        "stopped": trained.reason,
        "warnings": warnings,
    }
    run = run_record(options.seed, precision, rows, checked, problems)
    return Fitted(readers, {}, model, metrics, pd.DataFrame(trained.history), problems.frame(), run, {})


@torch.no_grad()
def recall(model: MultimodalModel, rows: Rows, size: int) -> list[dict[str, Any]]:
    """How often the nearest of all rows' vectors of one input is that of the very row, for each pair of inputs.

    Returns:
        a dict a pair: inputs (two names), recall (both ways, the mean), chance, rows.
    """
    parts = [model.aligner(model.encode(batch.inputs)) for batch in rows.batches(size)]
    vectors = {name: torch.cat([part[name] for part in parts]) for name in model.modalities}
    found = []
    for a, b in combinations(model.modalities, 2):
        both = (vectors[a] != 0).any(1) & (vectors[b] != 0).any(1)
        if not (count := int(both.sum())):
            continue
        near = vectors[a][both] @ vectors[b][both].T
        own = torch.arange(count)
        hits = [(near.argmax(dim) == own).float().mean() for dim in (0, 1)]
        found.append({"inputs": [a, b], "recall": float(sum(hits) / 2), "chance": 1 / count, "rows": count})
    return found
