"""Membership inference: how well it can be told of a run which rows it learned from."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.data.row_numbers import read_numbers
from sensorium.data.table import Table
from sensorium.errors import DataError
from sensorium.media.cache import content_digest
from sensorium.privacy.losses import row_losses
from sensorium.privacy.membership import advantage_at, membership
from sensorium.privacy.shadows import shadow_scores

if TYPE_CHECKING:
    from sensorium.predictor import Predictor

__all__ = ["flat_leaks", "leaks"]

FEW = 100  # rows never seen, below which one false alarm in a hundred can't be measured


def leaks(
    predictor: "Predictor",
    rows: Table,
    train: Table,
    shadows: int = 0,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Attack a run: by its loss on each row, and with shadow models by how it differs from models that never saw the row.

    The attacker has the rows with their truth and asks the run for its probabilities. What differs between the two tables
    for another reason (another time or place) counts as if it had been learned, in the attack by loss at least.

    Reference:
        Yeom et al. 2018, Privacy Risk in Machine Learning (the threshold on the loss); `shadows.likelihood_ratio`.

    Args:
        predictor: the run.
        rows: labelled, never seen by the run.
        train: the table that it learned from; the rows that it did not learn from are left out.
        shadows: models for the second attack, an even number; 0: only the first one.
        seed: of halves and samples.
        say: called with warnings.

    Returns:
        {"rows": {"learned", "unseen"}, "targets": {name: {"loss": metrics, "shadows": metrics}}}: see `membership`; of
        "loss" also advantage_yeom, at the mean loss of the rows learned from.

    Raises:
        ConfigError: a target is a text; see also `shadow_scores`.
        DataError: `train` is not what the run learned from, or `rows` holds none that it never saw.
    """
    members = learned_rows(predictor.run, train)
    others = unseen_rows(predictor, rows, say)
    if None not in (members.path, others.path) and members.path == others.path and len(members) == len(train):
        raise DataError(f"{rows.name} and {train.name} are one file, all of which was learned from.")
    inside, outside = row_losses(predictor, members, say), row_losses(predictor, others, say)
    found: dict[str, Any] = {"rows": {"learned": len(members), "unseen": len(others)}, "targets": {}}
    for name in predictor.coders:
        # A row that is answered well is taken for known.
        known, unknown = (-losses[mask] for losses, mask in (inside[name], outside[name]))
        if not len(known) or not len(unknown):
            raise DataError(f"target '{name}' has no known value in {(rows if len(known) else train).name}.")
        if len(unknown) < FEW:
            say(
                f"'{name}': {len(unknown)} rows were never seen; tpr_at_1_fpr needs {FEW}, and is of no false alarm here."
            )
        yeom = advantage_at(known, unknown, float(known.mean()), seed=seed)
        found["targets"][name] = {"loss": {**membership(known, unknown, seed=seed), "advantage_yeom": yeom}}
    if shadows:
        for name, scores in shadow_scores(predictor, members, others, shadows, seed, say).items():
            found["targets"][name]["shadows"] = {"models": shadows, **membership(*scores, seed=seed)}
    return found


def learned_rows(run: dict[str, Any], table: Table) -> Table:
    """The rows of a table that a run learned from.

    Raises:
        DataError: it is another table, or can't be known to be the one.
    """
    told = run.get("data", {}).get("train")
    if told is not None:
        if table.path is None or content_digest(table.path).hex() != told["sha256"]:
            raise DataError(
                f"{table.name} is not the file that the run learned from, or it has changed: {told['table']}."
            )
        return table.take(np.array(read_numbers(told["rows"])) - 1)
    count = run.get("rows", {}).get("train")
    if len(table) != count:  # from memory, or learned privately
        raise DataError(
            f"the run does not say which rows it learned from, but that they are {count}; {table.name} has {len(table)}. "
            "Give those alone."
        )
    return table


def unseen_rows(predictor: "Predictor", table: Table, say: Callable[[str], None]) -> Table:
    """The rows of a table that a run neither learned from nor was validated with, as far as it says.

    Raises:
        DataError: there is none.
    """
    if table.path is None:
        return table
    content = content_digest(table.path).hex()
    same = {
        side: read_numbers(told["rows"])
        for side, told in predictor.run.get("data", {}).items()
        if told is not None and told["sha256"] == content
    }
    if "valid" in same and "train" not in same:
        what = f"{table.name} is what the run was validated with"
        if predictor.metrics.get("refit"):
            raise DataError(f"{what}, and its linear part learned from it. Give rows that it never saw.")
        say(f"{what}: its epoch was chosen by these rows, so that it knows a little of them.")
        same = {}
    seen = {number for numbers in same.values() for number in numbers}
    left = [place for place in range(len(table)) if table.number(place) not in seen]
    if not left:
        raise DataError(f"the run has seen every row of {table.name}. Give rows that it never saw.")
    return table.take(left)


def flat_leaks(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What `leaks` found as rows of a table."""
    return [
        {"target": name, "attack": attack, "metric": metric, **score}
        for name, attacks in found["targets"].items()
        for attack, metrics in attacks.items()
        for metric, score in metrics.items()
        if metric != "models"
    ]
