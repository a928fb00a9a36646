"""Alignment of domains while training: what is fused comes to tell little of where a row is from."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.config import Config
from sensorium.data.batches import Batch, EpochSampler, Rows
from sensorium.data.groups import row_names
from sensorium.data.table import Table
from sensorium.errors import DataError, did_you_mean
from sensorium.training.discrepancy import coral, mmd
from sensorium.training.reversal import reverse, rise

__all__ = ["FASTER", "DomainAlignment", "build_alignment", "of_domain"]

DISTANCES = {"coral": coral, "mmd": mmd}
MOST_DOMAINS = 1000
MOST_TURNS = 10_000  # through the rows without targets in an epoch of those with
FASTER = 3.0  # times the learning rate: the network of dann must follow those that deceive it
DEFAULTS = {"coral": 100.0, "dann": 1.0, "mmd": 1.0}  # weights: coral's covariances differ by hundredths


class DomainAlignment(nn.Module):
    """A loss on fused vectors that falls as the vectors of different domains come to look alike.

    dann: a network of one hidden layer learns to tell the domain, and the encoders learn that it can't.
    coral, mmd: the distance of each domain's vectors from those of all others in the batch, the mean over domains; of two
        domains that is the paper's. A domain of one row in a batch is left out of it.
    All rise from no weight to their whole weight, as in the paper of dann.

    Reference:
        Ganin et al., 2016 (dann); Sun and Saenko, 2016 (coral); Long et al., 2015 (mmd, on the one fused vector).

    Args:
        method: coral, dann or mmd.
        weight: of the loss; of dann's gradient in the encoders, where the domain's own network learns at full rate.
        width: of the fused vector.
        domains: their names.
        codes: each training row's place in `domains`, (N,); -1: not known, the row takes no part.
        beside: rows without targets that are aligned too, with their codes.
        size: rows a batch of those.
        seed: of their order.
    """

    def __init__(
        self,
        method: str,
        weight: float,
        width: int,
        domains: Sequence[str],
        codes: Tensor,
        beside: Sequence[tuple[Rows, Tensor]] = (),
        size: int = 32,
        seed: int = 0,
    ):
        super().__init__()
        self.method, self.weight, self.width, self.domains = method, weight, width, tuple(domains)
        self._codes, self._beside, self.size, self.seed = codes, tuple(beside), size, seed
        self.critic: nn.Module | None = None
        if method == "dann":
            self.critic = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, len(self.domains)))
        everyone = torch.cat([codes, *(own for _, own in beside)])
        shares = torch.bincount(everyone[everyone >= 0], minlength=len(self.domains)) / max(1, (everyone >= 0).sum())
        self._doubt = float(torch.special.entr(shares).sum())
        self._streams: list[Any] = []
        self.losses: list[float] = []

    def begin_epoch(self, epoch: int, done: int = 0, losses: Sequence[float] = ()) -> None:
        """Start the order of the rows without targets, which depends on seed and epoch alone; forget the losses.

        Where an epoch is gone on with, `done` steps of it are over, and `losses` were noted in them.
        """
        self.end_epoch()
        self._streams = [self._stream(*part, epoch, done) for part in self._beside]
        self.losses: list[float] = list(losses)

    def end_epoch(self) -> None:
        """Read no further."""
        for stream in self._streams:
            stream.close()
        self._streams = []

    def codes(self, batch: Batch) -> Tensor:
        """The domain of each row of a training batch, (B,)."""
        return self._codes.to(batch.rows.device)[batch.rows]

    def beside(self) -> list[tuple[Batch, Tensor]]:
        """The next batches of rows without targets, and their domains (B,)."""
        return [next(stream) for stream in self._streams]

    def loss(self, fused: Tensor, codes: Tensor, done: float) -> Tensor:
        """Of fused vectors (B, width) of the domains `codes` (B,), when `done` of the training is over; noted unweighted."""
        weight, zero = self.weight * rise(done), fused.float().sum() * 0
        with torch.autocast(fused.device.type, enabled=False):
            known = codes >= 0
            rows, codes = fused.float()[known], codes[known]
            if self.critic is not None:
                loss = F.cross_entropy(self.critic(reverse(rows, weight)), codes) if len(rows) else zero
            else:
                loss = self._distance(rows, codes, zero)
        self.losses.append(loss.item())
        return loss if self.critic is not None else weight * loss

    def _distance(self, rows: Tensor, codes: Tensor, none: Tensor) -> Tensor:
        names, counts = codes.unique(return_counts=True)
        usable = names[(counts > 1) & (counts < len(codes) - 1)].tolist()
        if len(names) == 2:
            usable = usable[:1]  # the second from the first is the first from the second
        parts = [DISTANCES[self.method](rows[codes == k], rows[codes != k]) for k in usable]
        return torch.stack(parts).mean() if parts else none

    def only(self, modality: str, width: int) -> "DomainAlignment":
        """The same for a network of one of the inputs."""
        beside = [(rows.only(modality), codes) for rows, codes in self._beside]
        return DomainAlignment(self.method, self.weight, width, self.domains, self._codes, beside, self.size, self.seed)

    def line(self) -> str:
        """What is aligned, for the console."""
        told = self.told()
        parts = [f"{name} {told['rows'].get(name, 0)}+{told['unlabelled'].get(name, 0)}" for name in self.domains[:8]]
        more = f", and {len(self.domains) - 8} more" if len(self.domains) > 8 else ""
        return f"domain: {self.method}; rows with and without a target: {', '.join(parts)}{more}."

    def cost(self) -> float:
        """What the domains are still apart in this epoch, at the whole weight: part of what the best epoch is chosen by.

        Without it that would be an early one, before the alignment's weight has risen. Of dann it is how far its network's loss
        is from that of the frequencies alone: it is above where the network is deceived, though the domain can be told.
        """
        mean = sum(self.losses) / len(self.losses)
        return self.weight * (max(0.0, mean) if self.critic is None else abs(self._doubt - mean))

    def row(self) -> dict[str, float]:
        """For the history: the mean loss of the epoch, without its weight."""
        return {"domain_loss": sum(self.losses) / len(self.losses)}

    def told(self) -> dict[str, Any]:
        """What was aligned, for metrics.json: the rows of each domain, with and without targets."""
        without = [codes for _, codes in self._beside]
        return {
            "method": self.method,
            "weight": self.weight,
            "rows": _counts(self.domains, self._codes),
            "unlabelled": _counts(self.domains, torch.cat(without)) if without else {},
        }

    def _stream(self, rows: Rows, codes: Tensor, epoch: int, done: int) -> Iterator[tuple[Batch, Tensor]]:
        """Batches without end but the first `done`, in another order each time that the rows are gone through."""
        sampler = EpochSampler(len(rows), self.seed)
        turns, done = divmod(done, -(-len(rows) // self.size))
        for turn in itertools.count(epoch * MOST_TURNS + turns):
            sampler.set_epoch(turn)
            for batch in rows.batches(self.size, sampler.order()[done * self.size :]):
                yield batch, codes[batch.rows]
            done = 0


def _counts(domains: Sequence[str], codes: Tensor) -> dict[str, int]:
    found = {name: int((codes == place).sum()) for place, name in enumerate(domains)}
    return {name: count for name, count in found.items() if count}


def of_domain(table: Table, column: str | None) -> np.ndarray:
    """Which rows are of a known domain, (N,) bool; none where no column names it."""
    if column is None:
        return np.zeros(len(table), dtype=bool)
    return np.array([name != "" for name in _names_of(table, column)], dtype=bool)


def _names_of(table: Table, column: str) -> list[str]:
    """The domain of each row, "" where its cell is empty.

    Raises:
        DataError: there is no such column.
    """
    if column not in table.columns:
        raise DataError(f"domain: {table.name} has no column '{column}'. {did_you_mean(column, table.columns)}")
    return row_names(table, column)


def build_alignment(config: Config, width: int, rows: Rows, beside: Sequence[Rows]) -> DomainAlignment | None:
    """The alignment of the section `domain`; None where it names no column.

    Args:
        config: complete.
        width: of the fused vector.
        rows: to learn from.
        beside: rows without targets, by table.

    Raises:
        DataError: the column is not there, or has one value alone, or almost as many as rows.
    """
    column = config.domain.column
    if column is None:
        return None
    names = [_names_of(part.table, column) for part in (rows, *beside)]
    domains = sorted({name for part in names for name in part} - {""})
    total = sum(map(len, names))
    if len(domains) < 2:
        only = f"one value only ('{domains[0]}')" if domains else "no value at all"
        raise DataError(
            f"domain: column '{column}' has {only} in {total} rows; there is nothing to align. Give rows of another "
            "domain, with a target or without (--unlabelled), or leave the section out."
        )
    if len(domains) > min(MOST_DOMAINS, total // 2):
        raise DataError(
            f"domain: column '{column}' has {len(domains)} values in {total} rows; a domain is what many rows share. "
            "Take another column."
        )
    place = {name: at for at, name in enumerate(["", *domains], start=-1)}
    codes = [torch.tensor([place[name] for name in part]) for part in names]
    method, training = config.domain.method, config.training
    weight = DEFAULTS[method] if config.domain.weight is None else config.domain.weight
    pairs = list(zip(beside, codes[1:], strict=True))
    size = training.batch_size * training.accumulate
    return DomainAlignment(method, weight, width, domains, codes[0], pairs, size, training.seed)
