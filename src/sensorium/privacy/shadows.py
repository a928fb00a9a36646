"""An attack by shadow models: how a row is answered by models of the same kind that never saw it."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sensorium.config import Config
from sensorium.data.schema import MEDIA
from sensorium.data.table import Table
from sensorium.data.targets import CLASSED
from sensorium.errors import ConfigError
from sensorium.privacy.losses import confidences, row_losses

if TYPE_CHECKING:
    from sensorium.predictor import Predictor

__all__ = ["likelihood_ratio", "shadow_scores"]

OWN_SPREAD = 16  # models that never saw a row, from which on its own spread is taken


def shadow_scores(
    predictor: "Predictor", members: Table, others: Table, shadows: int, seed: int, say: Callable[[str], None]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By target with classes, the scores of members and of others: higher where the run knows a row better than it should.

    Shadow models are fits of the run's configuration to halves of all these rows, in pairs: what one learns from, the
    other one never sees.

    Args:
        predictor: the run.
        members, others: rows that it learned from, and that it did not.
        shadows: models, an even number.
        seed: of the halves; model i is trained with the run's seed + 1 + i.
        say: called with a line a model.

    Raises:
        ConfigError: an odd number of them, no target with classes, or media of two folders.
    """
    if shadows < 2 or shadows % 2:
        raise ConfigError(f"shadows must be an even number from 2 on, since they learn in pairs; got {shadows}.")
    names = [name for name, coder in predictor.coders.items() if coder.task in CLASSED]
    if not names:
        raise ConfigError(
            f"shadows are for targets with classes; {', '.join(predictor.coders)} has none. Leave them out."
        )
    pool = pooled(predictor, members, others)
    own = row_losses(predictor, pool, say)
    outside = {name: np.full((shadows, len(pool)), np.nan) for name in names}
    random = np.random.default_rng(seed)
    for model in range(shadows):
        if model % 2 == 0:
            order = random.permutation(len(pool))
        half, rest = (order[: len(pool) // 2], order[len(pool) // 2 :])[:: 1 if model % 2 == 0 else -1]
        say(f"shadow model {model + 1} of {shadows}: {len(half)} rows.")
        shadow = _fitted(predictor, pool.take(np.sort(half)), model)
        places = np.sort(rest)
        losses = row_losses(shadow, pool.take(places), lambda _: None)
        for name in names:
            values, known = losses[name]
            outside[name][model, places] = np.where(known, confidences(values), np.nan)
    found = {}
    for name in names:
        values, known = own[name]
        scores = likelihood_ratio(confidences(values), outside[name])
        usable = known & np.isfinite(scores)
        first = np.arange(len(pool)) < len(members)
        found[name] = (scores[usable & first], scores[usable & ~first])
    return found


def likelihood_ratio(own: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """How far the run's confidence in each row lies above that of models that never saw it, in deviations.

    With fewer than OWN_SPREAD such models of a row, all rows share one spread, as the paper does with few.

    Reference:
        Carlini et al. 2022, Membership Inference Attacks From First Principles (LiRA, offline); where the paper says a
        Gaussian's probability of less, this is the deviation, which orders rows alike.

    Args:
        own: of the run, (N,).
        outside: of the shadow models (S, N), NaN where a model saw the row.

    Returns:
        (N,); NaN where every model saw the row.
    """
    there = np.isfinite(outside)
    count = there.sum(0)
    values = np.where(there, outside, 0.0)
    mean = np.where(count > 0, values.sum(0) / np.maximum(count, 1), np.nan)
    squares = np.where(there, (outside - mean) ** 2, 0.0).sum(0)
    free = int(np.maximum(count - 1, 0).sum())
    shared = np.sqrt(squares.sum() / free) if free else 1.0
    each = np.sqrt(squares / np.maximum(count - 1, 1))
    spread = np.where(count >= OWN_SPREAD, each, shared)
    return (own - mean) / np.maximum(spread, 1e-6)


def pooled(predictor: "Predictor", members: Table, others: Table) -> Table:
    """Rows of two tables as one: the columns that the run reads."""
    config = predictor.config
    media = {
        c for name, given in config.inputs.items() if given.modality in MEDIA for c in predictor.readers[name].columns
    }
    if media and members.root.absolute() != others.root.absolute():
        raise ConfigError(
            f"paths of {members.name} start from {members.root.absolute()}, those of {others.name} from "
            f"{others.root.absolute()}: shadow models need one folder. Put both tables there, or give media_root."
        )
    wanted = [column for reader in predictor.readers.values() for column in reader.columns]
    wanted += [*predictor.coders, config.split.by, config.split.time, config.domain.column]
    columns = [c for c in dict.fromkeys(wanted) if c is not None and c in members.columns and c in others.columns]
    cells: dict[str, Any] = {}
    for column in columns:
        cells[column] = pd.Series([*members.cells(column), *others.cells(column)], dtype=object)
    return Table(pd.DataFrame(cells), members.root, "the rows of both tables")


def _fitted(predictor: "Predictor", rows: Table, model: int) -> "Predictor":
    """A fit of the run's configuration to some rows, with another seed."""
    from sensorium.training.fit import run_fit  # here: Lightning is loaded for training alone

    def quiet(_: Any) -> None:
        pass

    config: Config = predictor.config
    training = config.training.model_copy(update={"seed": config.training.seed + 1 + model, "probes": False})
    split = config.split.model_copy(update={"folds": None})
    config = config.model_copy(update={"training": training, "split": split})
    with tempfile.TemporaryDirectory() as folder:
        fitted = run_fit(rows, None, config, predictor.schema, Path(folder), False, quiet, quiet)
    return type(predictor)(config, predictor.schema, *fitted)
