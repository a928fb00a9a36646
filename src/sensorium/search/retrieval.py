"""How well one input of a row finds the row's others among all rows."""

import hashlib
from itertools import permutations
from typing import Any

import numpy as np
import torch

from sensorium.data.batches import Rows
from sensorium.encoders.features import Input
from sensorium.errors import ConfigError, DataError
from sensorium.model import MultimodalModel

__all__ = ["METRICS", "Right", "chance", "ranks", "retrieval", "score_ranks"]

METRICS = {
    "recall@1": lambda ranks: (ranks <= 1).mean(-1),
    "recall@5": lambda ranks: (ranks <= 5).mean(-1),
    "recall@10": lambda ranks: (ranks <= 10).mean(-1),
    "mrr": lambda ranks: (1 / ranks).mean(-1),
    "median_rank": lambda ranks: np.median(ranks, -1),
}
PART = 256  # queries compared with all answers at once
FEWEST, DRAWN = 200, 20_000_000  # bootstrap samples at least; ranks of all samples beyond that
AT_ONCE = 1_000_000  # ranks of samples in memory


def retrieval(
    model: MultimodalModel, rows: Rows, batch_size: int, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Each aligned input of a row as the query for each other input of it, among those of all rows that have both.

    What several rows hold is one answer, right for each of those rows' queries.

    Returns:
        {"metrics": {"photo->note.recall@1": {"value", "low", "high", "random"}, ...}, "pairs": [{"query", "finds",
        "rows"}, ...], "rows": in any pair, "left_out": in none, "trust": {}}. random: what an order by chance comes to.

    Raises:
        ConfigError: fewer than two of the inputs are aligned.
        DataError: no two inputs have two rows that hold both.
    """
    vectors, content = _read(model, rows, batch_size)
    if len(vectors) < 2:
        raise ConfigError(
            f"two aligned inputs are needed, one to ask by and one to find; got {', '.join(vectors) or 'none'}."
        )
    metrics: dict[str, dict[str, float]] = {}
    pairs = []
    used = np.zeros(len(rows), dtype=bool)
    for a, b in permutations(vectors, 2):
        both = (content[a] >= 0) & (content[b] >= 0)
        if both.sum() < 2:
            continue
        used |= both
        right = Right(content[a][both], content[b][both])
        found = ranks(vectors[a][both], vectors[b][both], right)
        random = chance(right.counts(), len(right.distinct))
        for name, score in score_ranks(found, resamples, seed).items():
            metrics[f"{a}->{b}.{name}"] = {**score, "random": random[name]}
        pairs.append({"query": a, "finds": b, "rows": len(found)})
    if not metrics:
        raise DataError(f"{rows.table.name} has no two rows that both hold two of {', '.join(vectors)}.")
    return {
        "metrics": metrics, "pairs": pairs, "rows": int(used.sum()), "left_out": int((~used).sum()), "trust": {},
    }  # fmt: skip


@torch.no_grad()
def _read(model: MultimodalModel, rows: Rows, batch_size: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Each aligned input's vectors, and numbers of its rows' content: one for the very same, -1 where there is none."""
    model.eval()
    vectors: dict[str, list[np.ndarray]] = {}
    content: dict[str, list[int]] = {}
    numbers: dict[tuple[str, bytes], int] = {}
    for batch in rows.batches(batch_size):
        for name, found in model.aligner(model.encode(batch.inputs)).items():
            vectors.setdefault(name, []).append(found.numpy())
            keys = _contents(batch.inputs[name])
            content.setdefault(name, []).extend(
                -1 if key is None else numbers.setdefault((name, key), len(numbers)) for key in keys
            )
    return (
        {name: np.concatenate(parts) for name, parts in vectors.items()},
        {name: np.array(parts) for name, parts in content.items()},
    )


def _contents(given: Input) -> list[bytes | None]:
    """Each row's content as a hash, however far it was padded in its batch; None for a row without any."""
    found: list[bytes | None] = []
    for values, mask in zip(given.values.numpy(), given.mask.numpy(), strict=True):
        if not mask.any():
            found.append(None)
            continue
        real = values[mask] if mask.ndim else values
        last = np.flatnonzero(mask.any(tuple(range(mask.ndim - 1))))[-1] if mask.ndim else 0
        where = mask[..., : last + 1] if mask.ndim else mask  # which cells of several are filled
        found.append(hashlib.blake2b(real.tobytes() + where.tobytes(), digest_size=16).digest())
    return found


class Right:
    """Which answers are right for a row's query: all that some row pairs with the content of the query.

    Args:
        queries, answers: (N,) of the rows, numbers of their content, the same for the very same.

    Attributes:
        distinct: the rows (A,) of which each holds another answer.
    """

    def __init__(self, queries: np.ndarray, answers: np.ndarray):
        _, self.queries = np.unique(queries, return_inverse=True)
        _, self.distinct, numbers = np.unique(answers, return_index=True, return_inverse=True)
        pairs = np.unique(np.stack([self.queries, numbers], 1), axis=0)
        self.paired = np.split(pairs[:, 1], np.flatnonzero(np.diff(pairs[:, 0])) + 1)  # of each content of a query

    def of(self, rows: np.ndarray) -> np.ndarray:
        """For the queries of these rows (R, A) bool."""
        right = np.zeros((len(rows), len(self.distinct)), dtype=bool)
        for place, query in enumerate(self.queries[rows]):
            right[place, self.paired[query]] = True
        return right

    def counts(self) -> np.ndarray:
        """How many answers are right for each row's query: (N,)."""
        return np.array([len(answers) for answers in self.paired])[self.queries]


def ranks(queries: np.ndarray, answers: np.ndarray, right: Right) -> np.ndarray:
    """Each query's rank of its nearest right answer, from 1; wrong ones that are as near stand before it.

    So a model that tells nothing apart finds nothing.

    Args:
        queries, answers: (N, size) unit vectors of the same rows.
    """
    found = []
    answers = answers[right.distinct]  # (A, size)
    for start in range(0, len(queries), PART):
        rows = np.arange(start, min(start + PART, len(queries)))
        near, good = queries[rows] @ answers.T, right.of(rows)  # (R, A)
        best = np.where(good, near, -np.inf).max(1, keepdims=True)
        found.append(1 + ((near >= best) & ~good).sum(1))
    return np.concatenate(found)


def score_ranks(ranks: np.ndarray, resamples: int = 1000, seed: int = 0) -> dict[str, dict[str, float]]:
    """Every metric of `METRICS`, and its 95 % percentile interval over bootstrap samples of the queries.

    Returns:
        name -> {"value", "low", "high"}.
    """
    random = np.random.default_rng(seed)
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in METRICS}
    left = min(resamples, max(FEWEST, DRAWN // len(ranks)))
    while left > 0:
        count = min(left, max(1, AT_ONCE // len(ranks)))
        sample = ranks[random.integers(0, len(ranks), (count, len(ranks)))]
        for name, metric in METRICS.items():
            drawn[name].append(metric(sample))
        left -= count
    found = {}
    for name, metric in METRICS.items():
        value = float(metric(ranks))
        low, high = np.quantile(np.concatenate(drawn[name]), [0.025, 0.975]) if drawn[name] else (value, value)
        found[name] = {"value": value, "low": float(low), "high": float(high)}
    return found


def chance(right: np.ndarray, count: int) -> dict[str, float]:
    """What the metrics of `METRICS` come to where the answers stand in an order by chance.

    Args:
        right: (N,) how many of the answers are right for each query.
        count: of the answers.
    """
    share = np.zeros(count)  # of the ranks 1, 2, ..., count
    for good, queries in zip(*np.unique(right, return_counts=True), strict=True):
        steps = np.arange(count - good + 1)  # wrong answers before the first right one
        beyond = np.concatenate([[1.0], np.cumprod((count - good - steps) / (count - steps))])
        share[: len(steps)] += -np.diff(beyond) * queries / len(right)
    within = np.cumsum(share)
    found = {f"recall@{k}": float(within[min(k, count) - 1]) for k in (1, 5, 10)}
    return {
        **found,
        "mrr": float((share / np.arange(1, count + 1)).sum()),
        "median_rank": float(np.searchsorted(within, 0.5 - 1e-9) + 1),
    }
