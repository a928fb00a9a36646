"""One fit, from tables to a saved run."""

import platform
import shutil
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from sensorium.build import build_loader, build_model, build_readers
from sensorium.config import Config
from sensorium.data.batches import Reader, Rows
from sensorium.data.problems import Problems
from sensorium.data.schema import Schema
from sensorium.data.split import split_rows
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder, fit_target, is_filled
from sensorium.errors import DataError, did_you_mean
from sensorium.evaluation.alone import compare_alone, majority, verdict
from sensorium.evaluation.answers import outputs, scored
from sensorium.evaluation.metrics import MAIN
from sensorium.export.archive import read_json, write_json
from sensorium.model import MultimodalModel
from sensorium.training.loop import measured_precision, train

__all__ = ["Fitted", "rehearse", "run_fit"]


LEARNED_FROM = 50_000  # rows; enough for a mean to a hundredth of its deviation, and for all but the rarest words


class Fitted(NamedTuple):
    """What a fit comes to: all that a `Predictor` holds beside the configuration and the schema."""

    readers: dict[str, Reader]
    coders: dict[str, TargetCoder]
    model: MultimodalModel
    metrics: dict[str, Any]
    history: pd.DataFrame
    found: pd.DataFrame
    run: dict[str, Any]


def run_fit(
    table: Table,
    valid: Table | None,
    config: Config,
    schema: Schema,
    folder: Path,
    resume: bool,
    say: Callable[[str], None],
    report: Callable[[dict[str, Any]], None],
) -> Fitted:
    """Train as `config` says, with checkpoints in `folder`; see `sensorium.fit`.

    Args:
        table, valid: rows to learn from and to validate with; None takes a part of `table`.
        config: complete.
        schema: of `table`.
        folder: for checkpoints, which stay there: the caller removes them when all is saved.
        resume: go on from them.
        say, report: called with lines of text, and with numbers after each step.

    Raises:
        SensoriumError: whatever is wrong with the rows, the options or the media.
    """
    started = time.monotonic()
    options = config.training
    torch.manual_seed(options.seed)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    problems = Problems(strict=options.strict)
    train_table, valid_table, coders = _targets(table, valid, config, problems)
    readers = build_readers(config, schema)
    _fit_readers(readers, train_table)
    model = build_model(config, readers, coders)
    loader, memory = build_loader(config, say), options.memory * 2**20
    rows = Rows(train_table, readers, coders, problems, loader, memory)
    checked = Rows(valid_table, readers, coders, problems, loader, memory // 4)
    say(f"{len(rows)} rows to learn from, {len(checked)} to validate with; {len(readers)} inputs.")
    _any_input(rows)
    reading = time.monotonic() - started
    modalities = {name: reader.modality for name, reader in readers.items()}
    state = folder / "state.json"
    if resume and state.exists():
        precision = read_json(state)["precision"]
    else:
        shutil.rmtree(folder, ignore_errors=True)
        precision = measured_precision(model, rows, options, modalities)
        write_json(state, {"precision": precision})
    chosen = options.model_copy(update={"precision": precision})
    weights = {name: target.weight for name, target in config.targets.items()}
    trained = train(model, rows, checked, chosen, folder, modalities, weights, started, report, resume)
    seconds = time.monotonic() - started
    for line in problems.lines():  # every row was read in the first epoch
        say(line)
    warnings = list(trained.warnings)
    if loader.cache is not None and loader.cache.failure is not None:
        warnings.append(f"the cache in {loader.cache.folder} can't be written to: {loader.cache.failure}.")
    # A third of the whole is half of what the rest took.
    budget = 0.5 * seconds
    if options.time_limit is not None:
        budget = min(budget, max(0.0, 0.97 * options.time_limit - seconds))
    metrics = _measure(model, rows, checked, coders, options.batch_size, budget if options.probes else None, warnings)
    total = time.monotonic() - started
    metrics["seconds"] = {"reading": reading, "training": seconds - reading, "probes": total - seconds, "total": total}
    metrics["stopped"] = trained.reason
    metrics["warnings"] = warnings
    for warning in warnings:
        say(f"warning: {warning}")
    run = {
        "seed": options.seed,
        "precision": precision,
        "rows": {"train": len(rows), "valid": len(checked)},
        "problems": len(problems.found),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
    }
    return Fitted(readers, coders, model, metrics, pd.DataFrame(trained.history), problems.frame(), run)


VERSIONS = ("sensorium", "torch", "lightning", "numpy", "pandas", "pillow", "av", "soundfile", "soxr", "tokenizers")


def _targets(
    table: Table, valid: Table | None, config: Config, problems: Problems
) -> tuple[Table, Table, dict[str, TargetCoder]]:
    """Rows with a target, split, and the targets' coders: all that can be wrong with them is said before decoding."""
    table = _with_target(table, config, problems)
    first = next(iter(config.targets))
    tasks = {name: target.task for name, target in config.targets.items()}
    whole = fit_target(first, table.cells(first), tasks[first])
    if valid is None:
        codes, mask = whole.encode(table.cells(first))
        known = np.flatnonzero(mask)
        train_rows, valid_rows = split_rows(codes[mask], whole, config.training.valid_share, config.training.seed)
        others = np.flatnonzero(~mask)  # rows with other targets only: to learn from
        table, valid = table.take(np.sort(np.r_[known[train_rows], others])), table.take(known[valid_rows])
    else:
        for name in config.targets:
            if name not in valid.columns:
                raise DataError(f"{valid.name} has no column '{name}'. {did_you_mean(name, valid.columns)}")
        valid = _with_target(valid, config, problems)
    coders = {
        name: _counted(whole, table.cells(name)) if name == first else fit_target(name, table.cells(name), task)
        for name, task in tasks.items()
    }
    return table, valid, coders


def _counted(whole: TargetCoder, cells: list[Any]) -> TargetCoder:
    """The first target's coder with the class counts of the training part; its classes were checked on all rows."""
    codes, mask = whole.encode(cells)
    if whole.task == "multilabel":
        whole.counts = [int(count) for count in codes[mask].sum(0)]
    elif whole.task != "regression":
        whole.counts = [max(1, int(n)) for n in np.bincount(codes[mask].astype(int), minlength=len(whole.classes))]
    return whole


def _fit_readers(readers: dict[str, Reader], table: Table) -> None:
    """Learn vocabularies, categories and scales, from LEARNED_FROM rows at most, evenly spread over the table."""
    if len(table) > LEARNED_FROM:
        table = table.take(np.linspace(0, len(table) - 1, LEARNED_FROM).astype(int))
    for reader in readers.values():
        reader.fit(table.rows(reader.columns))


def _with_target(table: Table, config: Config, problems: Problems) -> Table:
    filled = np.zeros(len(table), dtype=bool)
    for name, target in config.targets.items():
        filled |= np.array([is_filled(cell, target.task) for cell in table.cells(name)])
    for row in np.flatnonzero(~filled):
        name = next(iter(config.targets))
        problems.add(table.name, table.number(int(row)), name, "no target", "the target is empty")
    if not filled.any():
        raise DataError(f"{table.name} has a value of {', '.join(config.targets)} in none of its {len(table)} rows.")
    return table if filled.all() else table.take(np.flatnonzero(filled))


def _any_input(rows: Rows) -> None:
    for start in range(0, min(len(rows), 1000), 50):
        batch = rows.batch(range(start, min(start + 50, len(rows))))
        if any(given.mask.any() for given in batch.inputs.values()):
            return
    raise DataError(
        f"{rows.table.name}: all inputs are missing or can't be read in every row looked at. "
        "Check the paths (--media-root) and the modalities (sensorium inspect)."
    )


def _measure(
    model: Any,
    rows: Rows,
    valid: Rows,
    coders: dict[str, TargetCoder],
    batch_size: int,
    budget: float | None,
    warnings: list[str],
) -> dict[str, Any]:
    """The fused score on the validation rows beside all it must be compared with; for each target."""
    said = outputs(model, valid, max(batch_size, 32))
    targets = {}
    for name, coder in coders.items():
        if not valid.targets[name][1].any():
            warnings.append(f"target '{name}' has no value in the validation rows and is not scored.")
            continue
        found: dict[str, Any] = {
            "task": coder.task,
            "main": MAIN[coder.task],
            "valid": scored(coder, valid.targets[name], said[name], resamples=1000),
            "majority": majority(coder, valid.targets[name]),
        }
        if budget is not None:
            found |= compare_alone(model, rows, valid, coder, max(batch_size, 32), budget / len(coders))
            warnings.extend(verdict(coder, found["valid"], found, found["majority"]))
        if _constant(coder, said[name]):
            warnings.append(f"target '{name}': the answer is the same for every validation row.")
        targets[name] = found
    return {"targets": targets}


def _constant(coder: TargetCoder, said: np.ndarray) -> bool:
    if len(said) < 2:
        return False
    if coder.task == "regression":
        return bool(said.std() < 1e-3)
    return bool((said.argmax(1) == said[0].argmax()).all()) if coder.task != "multilabel" else False


def rehearse(table: Table, valid: Table | None, config: Config, schema: Schema) -> dict[str, Any]:
    """Everything of a fit up to one batch's loss and gradient; trains and saves nothing.

    Returns:
        batch (rows), loss, parameters, and problems (cells of the batch that can't be used).
    """
    problems = Problems(strict=config.training.strict)
    train_table, _, coders = _targets(table, valid, config, Problems())
    readers = build_readers(config, schema)
    _fit_readers(readers, train_table)
    model = build_model(config, readers, coders)
    rows = Rows(train_table, readers, coders, problems, build_loader(config))
    places = range(min(config.training.batch_size, len(rows)))
    batch = rows.batch(places)
    loss = model.loss(model(batch.inputs), batch.targets, {n: t.weight for n, t in config.targets.items()})
    loss.backward()
    return {
        "batch": len(places),
        "loss": loss.item(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "problems": len(problems.found),
    }
