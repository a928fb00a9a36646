"""One fit, from tables to a saved run."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sensorium.build import build_loader, build_model, build_readers
from sensorium.config import Config, Training
from sensorium.data.balance import SAMPLERS
from sensorium.data.batches import EpochSampler, Reader, Rows
from sensorium.data.problems import Problems
from sensorium.data.schema import Schema
from sensorium.data.table import Table
from sensorium.data.targets import CLASSED, TargetCoder
from sensorium.errors import DataError
from sensorium.evaluation.calibration import Calibration
from sensorium.model import MultimodalModel
from sensorium.pretrained.lora import merge_lora
from sensorium.privacy.dp import build_private
from sensorium.privacy.rules import privately
from sensorium.privacy.statement import statement
from sensorium.privacy.words import privacy_lines
from sensorium.training.augment import kinds
from sensorium.training.balance import build_balancer
from sensorium.training.domain import build_alignment
from sensorium.training.frozen import remember
from sensorium.training.gan import check_rows
from sensorium.training.labels import coded_sides, without_target
from sensorium.training.loop import Trained, measured_precision, train
from sensorium.training.measure import measure
from sensorium.training.members import check_members, train_members
from sensorium.training.rebalance import rebalance
from sensorium.training.record import begin, kept_precision, run_record
from sensorium.training.single import keep_single
from sensorium.training.start import Start
from sensorium.training.widen import answer_alone, fit_wide, join

__all__ = ["Fitted", "any_input", "fit_readers", "rehearse", "run_fit"]


WIDE_SHARE = 0.25  # of a time limit: it tells much soon
ALONE_SHARE = 0.8  # of a time limit, where it answers alone
LEAST = 1.0  # s; training anything takes longer
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
    calibration: dict[str, Calibration]
    out_of_fold: pd.DataFrame | None = None


def run_fit(
    table: Table,
    valid: Table | None,
    config: Config,
    schema: Schema,
    folder: Path,
    resume: bool,
    say: Callable[[str], None],
    report: Callable[[dict[str, Any]], None],
    start: Start | None = None,
    unlabelled: Table | None = None,
) -> Fitted:
    """Train as `config` says, with checkpoints in `folder`; see `sensorium.fit`.

    Args:
        table, valid: rows to learn from and to validate with; None takes a part of `table`.
        config: complete.
        schema: of `table`.
        folder: for checkpoints, which stay there: the caller removes them when all is saved.
        resume: go on from them.
        say, report: called with lines of text, and with numbers after each step.
        start: a run whose weights, and the readers that go with them, are started from.
        unlabelled: rows for the alignment of domains alone, beside those of `table` that have no target.

    Raises:
        SensoriumError: whatever is wrong with the rows, the options or the media.
    """
    started = time.monotonic()
    config = privately(config)
    options = config.training
    begin(options)
    problems = Problems(strict=options.strict)
    loader, memory = build_loader(config, say), options.memory * 2**20
    warnings: list[str] = []
    gone_on = {} if start is None else start.coders
    train_table, valid_table, coders = coded_sides(table, valid, config, problems, loader, warnings, gone_on)
    beside = without_target(table, unlabelled, config)
    readers = build_readers(config, schema)
    known = {} if start is None else start.readers(readers, config)
    fit_readers({name: reader for name, reader in readers.items() if name not in known}, train_table)
    readers |= known
    model = build_model(config, readers, coders)
    began = None if start is None else start.apply(model, say)
    warnings += _check_balance(config, coders)
    check_members(config, coders, start is not None)
    rows = Rows(train_table, readers, coders, problems, loader, memory)
    checked = Rows(valid_table, readers, coders, problems, loader, memory // 4)
    say(f"{len(rows)} rows to learn from, {len(checked)} to validate with; {len(readers)} inputs.")
    others = [Rows(part, readers, {}, problems, loader, memory // 4) for part in beside]
    alignment = build_alignment(config, model.fusion.width, rows, others)
    if alignment is not None:
        say(alignment.line())
    any_input(rows)
    remember(model, [rows, checked, *others], loader.cache, say, options.precision)
    reading = time.monotonic() - started
    widened = None
    if options.wide and all(coder.outputs for coder in coders.values()):
        share = ALONE_SHARE if options.epochs == 0 else WIDE_SHARE
        limit = None if options.time_limit is None else share * options.time_limit
        widened = (
            fit_wide(rows, checked, coders, limit)
            if start is None
            else start.widen(model, rows, checked, coders, limit)
        )
    together = widened if widened is not None and widened.stance.hidden is not None else None
    widening = time.monotonic() - started - reading
    modalities = kinds(readers)
    precision = kept_precision(folder, resume, lambda: _precision(model, rows, options, modalities))
    chosen = options.model_copy(update={"precision": precision})
    weights = {name: target.weight for name, target in config.targets.items()}
    sampler = _sampler(config, rows, coders, say)
    private = build_private(config.privacy, chosen, model, rows, weights, say)
    balancer, ensemble, size = None, None, max(options.batch_size, 32)
    ends = None if options.time_limit is None else started + 0.8 * options.time_limit
    if options.epochs == 0 or (widened is not None and ends is not None and time.monotonic() > ends):
        answer_alone(model, widened, checked, size)
        trained = Trained("no network is asked for" if options.epochs == 0 else "the time limit")
    elif config.ensemble.members:
        model, trained, ensemble = train_members(
            model, rows, checked, coders, config.model_copy(update={"training": chosen}), folder, resume, ends, widened,
            lambda own: _sampler(own, rows, coders, lambda _: None), say, report,
        )  # fmt: skip
    else:
        balancer = build_balancer(config, model, coders)
        trained = train(
            model, rows, checked, chosen, folder, modalities, weights, started, report, resume, sampler, balancer,
            together, alignment=alignment, say=say, private=private,
        )  # fmt: skip
    if balancer is not None:
        say(balancer.line())
        found = balancer.better_alone
        left = None if options.time_limit is None else started + 0.95 * options.time_limit - time.monotonic()
        if found is not None and (left is None or left > LEAST):
            keep_single(
                model, found["input"], rows, checked, coders, config.model_copy(update={"training": chosen}),
                folder / "single", resume, left, together, sampler, say, report, start, alignment,
            )  # fmt: skip
        elif found is not None:
            say(f"there is no time left for a network of '{found['input']}'.")
    if widened is not None:
        wide = widened.wide
        if model.wide is None:
            join(model, widened, checked, size, cut_short=trained.reason == "the time limit")
        for name in wide.targets:
            say(
                "target '{}': logits are {:.2f} x the network's + {:.2f} x those of hand-made features.".format(
                    name, *wide.shares(name)
                )
            )
    deadline = None if options.time_limit is None else started + 0.85 * options.time_limit
    balanced = rebalance(model, rows, checked, coders, config, deadline, widened, say)
    merge_lora(model)
    seconds = time.monotonic() - started
    for line in problems.lines():  # every row was read in the first epoch
        say(line)
    warnings += trained.warnings
    if loader.cache is not None and loader.cache.failure is not None:
        warnings.append(f"the cache in {loader.cache.folder} can't be written to: {loader.cache.failure}.")
    # A third of the whole is half of what the rest took.
    budget = 0.5 * seconds
    if options.time_limit is not None:
        budget = min(budget, max(0.0, 0.97 * options.time_limit - seconds))
    metrics, calibration = measure(
        model, rows, checked, coders, options.batch_size, budget if options.probes else None, warnings
    )
    metrics["refit"] = widened is not None and options.refit
    if metrics["refit"]:
        widened.settle()
    for name, found in metrics["targets"].items():
        if coders[name].task in CLASSED:
            found["imbalance"] = balanced.get(name, {"method": config.imbalance.method})
            if coders[name].offsets:
                found["imbalance"]["offsets"] = coders[name].offsets
    total = time.monotonic() - started
    metrics["seconds"] = {
        "reading": reading,
        "wide": widening,
        "training": seconds - reading - widening,
        "probes": total - seconds,
        "total": total,
    }
    metrics["stopped"] = trained.reason
    if began is not None:
        metrics["start"] = began
    if ensemble is not None:
        metrics["ensemble"] = ensemble
    if balancer is not None:
        metrics["balance"] = balancer.told()
    if alignment is not None:
        if model.wide is not None:
            warnings.append(
                "the linear model beside the network is not aligned (section domain); training.wide=false leaves it out."
            )
        metrics["domain"] = {"column": config.domain.column, **alignment.told()}
    history, found = pd.DataFrame(trained.history), problems.frame()
    run = run_record(options.seed, precision, rows, checked, problems)
    if private is not None:
        metrics["privacy"] = statement(private, model, readers, coders, known, None if start is None else start.name)
        # Of the training rows, without noise: their losses, faults, numbers and the hash of their table.
        history, found = history.drop(columns="train_loss"), found.iloc[:0]
        run["problems"], run["data"]["train"] = 0, None
        for line in privacy_lines(metrics["privacy"]):
            say(f"privacy: {line}")
    metrics["warnings"] = warnings
    for warning in warnings:
        say(f"warning: {warning}")
    return Fitted(readers, coders, model, metrics, history, found, run, calibration)


def _precision(model: MultimodalModel, rows: Rows, options: Training, modalities: dict[str, str]) -> str:
    return measured_precision(model, rows, options, modalities) if options.epochs else "32"


def _check_balance(config: Config, coders: dict[str, TargetCoder]) -> list[str]:
    """Warnings where `imbalance.method` or `balance.method` does nothing for a target.

    Raises:
        DataError: a class has too few rows for it.
    """
    method, warnings = config.imbalance.method, []
    for name, coder in coders.items():
        if not coder.outputs and config.balance.method not in {"auto", "none"}:
            warnings.append(f"balance.method={config.balance.method} does nothing beside '{name}' ({coder.task}).")
        if coder.task in CLASSED and method == "gan":
            check_rows(name, coder.classes, coder.counts)
        elif coder.task not in CLASSED and method not in {"class_weights", "none"}:
            warnings.append(f"imbalance.method={method} is for classes and does nothing for '{name}' ({coder.task}).")
    return warnings


def _sampler(
    config: Config, rows: Rows, coders: dict[str, TargetCoder], say: Callable[[str], None]
) -> EpochSampler | None:
    """The sampler of `imbalance.method`, by the first target with classes; None where it draws no rows."""
    method, names = config.imbalance.method, [name for name, coder in coders.items() if coder.task in CLASSED]
    if method not in SAMPLERS or not names:
        return None
    if len(coders) > 1:
        say(f"imbalance.method={method}: rows are drawn by the classes of '{names[0]}', for all targets.")
    values, mask = rows.targets[names[0]]
    return SAMPLERS[method](np.where(mask, values, -1).astype(int), config.training.seed)


def fit_readers(readers: dict[str, Reader], table: Table) -> None:
    """Learn vocabularies, categories and scales, from LEARNED_FROM rows at most, evenly spread over the table."""
    if len(table) > LEARNED_FROM:
        table = table.take(np.linspace(0, len(table) - 1, LEARNED_FROM).astype(int))
    for reader in readers.values():
        reader.fit(table.rows(reader.columns))


def any_input(rows: Rows) -> None:
    """Refuse a table of which nothing can be read in the first thousand rows."""
    for start in range(0, min(len(rows), 1000), 50):
        batch = rows.batch(range(start, min(start + 50, len(rows))))
        if any(given.mask.any() for given in batch.inputs.values()):
            return
    raise DataError(
        f"{rows.table.name}: all inputs are missing or can't be read in every row looked at. "
        "Check the paths (--media-root) and the modalities (sensorium inspect)."
    )


def rehearse(table: Table, valid: Table | None, config: Config, schema: Schema) -> dict[str, Any]:
    """Everything of a fit up to one batch's loss and gradient; trains and saves nothing.

    Returns:
        batch (rows), loss, parameters, and problems (cells of the batch that can't be used).
    """
    problems = Problems(strict=config.training.strict)
    loader = build_loader(config)
    train_table, _, coders = coded_sides(table, valid, config, Problems(), loader, [])
    readers = build_readers(config, schema)
    fit_readers(readers, train_table)
    _check_balance(config, coders)
    model = build_model(config, readers, coders)
    rows = Rows(train_table, readers, coders, problems, loader)
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
