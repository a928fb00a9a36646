"""A student that learns from rows and from what a larger model says of them."""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sensorium.build import build_loader, build_model
from sensorium.compression.prune import prune
from sensorium.config import Config
from sensorium.data.batches import Rows
from sensorium.data.problems import Problems
from sensorium.data.table import Table
from sensorium.errors import ConfigError, DataError
from sensorium.evaluation.answers import logits_of
from sensorium.predictor import Predictor
from sensorium.privacy.rules import refuse_privacy
from sensorium.training.augment import kinds
from sensorium.training.labels import coded_sides, has_target
from sensorium.training.loop import measured_precision, train
from sensorium.training.measure import measure
from sensorium.training.record import begin, run_record
from sensorium.training.taught import Taught

__all__ = ["distill"]


def distill(
    teacher: Predictor,
    table: Table,
    valid: Table | None,
    config: Config,
    unlabelled: Table | None = None,
    temperature: float = 4.0,
    soft: float = 0.7,
    pruned: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Predictor:
    """A network of another configuration that learned from a run's answers, as a run of its own.

    Args:
        teacher: the run; it stays as it is.
        table: rows to learn from. Those without a target are learned from by the teacher's answers alone.
        valid: rows to validate with; None takes those of `table` that the teacher's options ask for.
        config: of the student, with the teacher's inputs and targets.
        unlabelled: more rows, whose targets are not read.
        temperature, soft: see `Taught`; soft 0 learns from the truth alone.
        pruned: the student begins with the teacher's most important features, not anew; see `prune`.
        say: called with lines of text.

    Raises:
        ConfigError: a run without targets or with one of texts.
        DataError: rows that can't be learned from, or with classes that the teacher does not know.
    """
    started = time.monotonic()
    check_teacher(teacher)
    options = config.training
    begin(options)
    problems, warnings = Problems(strict=options.strict), []
    loader, memory = build_loader(config, say), options.memory * 2**20
    bare = table.take(np.flatnonzero(~has_target(table, config)))
    train_table, valid_table, coders = coded_sides(table, valid, config, problems, loader, warnings, teacher.coders)
    for name, coder in coders.items():
        if new := set(coder.classes) - set(teacher.coders[name].classes):
            raise DataError(
                f"{table.name} has classes of '{name}' that the run does not know: {', '.join(sorted(new)[:5])}. "
                "Leave those rows out, or adapt the run first."
            )
        coder.offsets = []
    more = [part for part in (bare, unlabelled) if part is not None and len(part)]
    whole = joined(train_table, more, list(coders)) if more else train_table
    rows = Rows(whole, teacher.readers, coders, problems, loader, memory)
    checked = Rows(valid_table, teacher.readers, coders, problems, loader, memory // 4)
    say(f"{len(rows)} rows to learn from, {len(whole) - len(train_table)} of them without a target.")
    size = max(options.batch_size, 32)
    taught = Taught(
        logits_of(teacher.model, rows, size),
        logits_of(teacher.model, checked, size),
        {name: coder.task for name, coder in coders.items()},
        temperature,
        soft,
    )
    begin(options)  # the student's weights, whatever the teacher drew
    model = build_model(config, teacher.readers, coders)
    taken = prune(model, teacher.model) if pruned else 0
    modalities = kinds(teacher.readers)
    precision = measured_precision(model, rows, options, modalities)
    weights = {name: target.weight for name, target in config.targets.items()}
    with tempfile.TemporaryDirectory() as folder:
        trained = train(
            model, rows, checked, options.model_copy(update={"precision": precision}), Path(folder), modalities, weights,
            started, taught=taught, say=say,
        )  # fmt: skip
    warnings += trained.warnings
    metrics, calibration = measure(model, rows, checked, coders, options.batch_size, None, warnings)
    metrics |= {"refit": False, "stopped": trained.reason, "warnings": warnings}
    metrics["seconds"] = {"total": time.monotonic() - started}
    run = run_record(options.seed, precision, rows, checked, problems)
    run["distilled"] = {
        "weights": teacher.run.get("files", {}).get("weights.safetensors"), "temperature": temperature, "soft": soft,
        "tensors_taken": taken,
    }  # fmt: skip
    history = pd.DataFrame(trained.history)
    return Predictor(
        config, teacher.schema, teacher.readers, coders, model, metrics, history, problems.frame(), run, calibration
    )


def check_teacher(teacher: Predictor) -> None:
    """Refuse what has no answers that can be taught."""
    if not teacher.coders:
        raise ConfigError("this run was pretrained, without a target, and has no answers to teach. Take one of a fit.")
    refuse_privacy(teacher.config, "compressing a run", "the student learns from the table without noise")
    for name, coder in teacher.coders.items():
        if not coder.outputs:
            raise ConfigError(f"target '{name}' is of texts, whose language model can't be made smaller here.")


def joined(table: Table, more: list[Table], targets: list[str]) -> Table:
    """The rows of several tables, those of `more` without targets.

    Raises:
        ConfigError: media of two folders.
    """
    for part in more:
        if part.root.absolute() != table.root.absolute():
            raise ConfigError(
                f"unlabelled rows must name media from the same folder as the others ({table.root}); got {part.root}. "
                "Put the tables side by side, or give --media-root."
            )
    frames = [_frame(table, []), *(_frame(part, targets) for part in more)]
    return Table(pd.concat(frames, ignore_index=True).astype(object), table.root, table.name)


def _frame(table: Table, left_out: list[str]) -> pd.DataFrame:
    cells: Mapping[str, Any] = {name: table.cells(name) for name in table.columns if name not in left_out}
    return pd.DataFrame({name: pd.Series(list(column), dtype=object) for name, column in cells.items()})
