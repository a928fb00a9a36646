"""Hand-made features of every input of a table: what a classical model reads."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.baselines.descriptors import Clips, Columns, Motion, Numbers, Pictures, Sounds
from sensorium.baselines.learned import Learned
from sensorium.baselines.tfidf import TfIdf
from sensorium.data.batches import Reader, Rows
from sensorium.encoders.features import Input
from sensorium.encoders.rows import present_rows

__all__ = ["HandMade", "below", "together"]

BATCH = 16  # rows; of clips, no more fit a modest memory as floats
MOST = 256  # features of an input that is no text; of more, the main directions are kept
SHARE = {"image": 0.5, "video": 0.5}  # of other inputs' length: many features, each of which tells little


class HandMade(nn.Module):
    """Classical features of each input: a row each, zeros where the row misses the input.

    Texts: TF-IDF of tokens and pairs, rows of length 1. All others: the descriptors of `sensorium.baselines.descriptors`,
    the mean of several files in a cell; standardised (columns: centred), reduced to their 256 main directions where there are more, scaled
    to a mean squared length of 1 (of pictures 1/4), and a last feature that says: the input is there.

    What a frozen pretrained encoder says of an input is a group of features of its own.

    Args:
        readers: fitted, by input.
        known: the inputs with such an encoder.

    Shape:
        inputs: dict of Input, with `known` where there is one. Returns a dict of (B, features) float, for each group.
    """

    def __init__(self, readers: Mapping[str, Reader], known: Collection[str] = ()):
        super().__init__()
        self.source = {name: name for name in readers}  # the input that each group of features is of
        for name in known:
            group = f"{name} (pretrained)"
            while group in self.source:
                group += "_"
            self.source[group] = name
        self.groups = tuple(self.source)
        self.learned = frozenset(self.groups[len(readers) :])
        pooled = (Described(_Pooled(), SHARE.get(readers[name].modality, 1.0)) for name in known)
        self.parts = nn.ModuleList([*(_part(reader) for reader in readers.values()), *pooled])

    def fit(self, rows: Rows, places: Sequence[int] | np.ndarray) -> None:
        """Learn terms, scales and directions from these rows."""
        seen: dict[str, list[Any]] = {name: [] for name in self.groups}
        for batch in rows.batches(BATCH, places):
            for name, part in zip(self.groups, self.parts, strict=True):
                seen[name].append(part.look(*self._of(name, batch.inputs)))
        for name, part in zip(self.groups, self.parts, strict=True):
            part.fit(seen.pop(name))

    def forward(self, inputs: Mapping[str, Input]) -> dict[str, Tensor]:
        there = next(iter(inputs.values())).mask
        return {
            name: part(*self._of(name, inputs))
            if self.source[name] in inputs
            else torch.zeros(len(there), part.size, device=there.device)
            for name, part in zip(self.groups, self.parts, strict=True)
        }

    def _of(self, group: str, inputs: Mapping[str, Input]) -> tuple[Tensor, Tensor]:
        """Values and mask that a group of features is made from."""
        given = inputs[self.source[group]]
        return given.known if group in self.learned else (given.values, given.mask)

    @torch.no_grad()
    def matrix(self, rows: Rows, places: Sequence[int] | np.ndarray) -> dict[str, Any]:
        """The features of these rows by group: arrays (rows, features), of texts sparse."""
        found: dict[str, list[Any]] = {name: [] for name in self.groups}
        for batch in rows.batches(BATCH, places):
            for name, features in self(batch.inputs).items():
                made = features.numpy()
                found[name].append(sparse.csr_array(made) if self.is_text(name) else made)
        return {name: below(parts) for name, parts in found.items()}

    @property
    def sizes(self) -> list[int]:
        """How many features each group has."""
        return [part.size for part in self.parts]

    def is_text(self, name: str) -> bool:
        return isinstance(self.parts[self.groups.index(name)], TfIdf)


def together(parts: Sequence[Any]) -> Any:
    """Features of several inputs side by side; sparse where one of them is (a text's)."""
    if any(sparse.issparse(part) for part in parts):
        return sparse.hstack([sparse.csr_array(part) for part in parts]).tocsr()
    return np.hstack(parts)


def below(parts: Sequence[Any]) -> Any:
    """Features of several sets of rows, one after the other."""
    return sparse.vstack(parts).tocsr() if sparse.issparse(parts[0]) else np.concatenate(parts)


class Described(Learned):
    """A descriptor's features, standardised and reduced by what training rows taught.

    Args:
        describe: (values, mask) of rows that are there -> (rows, features); `scaled` False: not by their deviations.
        length: root of the mean squared length of a training row.
        bag: rows hold several files, in a dimension after the first.
    """

    def __init__(self, describe: nn.Module, length: float = 1.0, bag: bool = False):
        super().__init__()
        self.describe, self.length, self.bag = describe, length, bag
        self.scaled = getattr(describe, "scaled", True)
        self.register_buffer("mean", torch.zeros(0))  # empty where no training row had the input
        self.register_buffer("directions", torch.zeros(0, 0))  # (features, kept): of standardised features, scaled

    def look(self, values: Tensor, mask: Tensor) -> Tensor:
        """What `fit` needs of a batch: the features of the rows that are there."""
        present = present_rows(mask)
        return self._raw(values[present], mask[present]) if present.any() else torch.zeros(0, 0)

    def fit(self, seen: Sequence[Tensor]) -> None:
        seen = [part for part in seen if len(part)]
        if not seen:
            return
        raw = torch.cat(seen)
        deviation, self.mean = torch.std_mean(raw.double(), dim=0, correction=0)
        self.mean = self.mean.float()
        rounding = 1e-6 * self.mean.abs().clamp(min=1)  # is no deviation
        scale = torch.where(deviation > rounding, 1 / deviation if self.scaled else 1.0, 0.0).float()
        standard = (raw - self.mean) * scale
        if min(standard.shape) > MOST:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                directions = torch.svd_lowrank(standard, MOST + 16, niter=4)[2][:, :MOST]  # (features, kept)
        else:
            directions = torch.eye(standard.shape[1])
        size = (standard @ directions).square().sum(1).mean().sqrt().clamp(min=1e-6)
        self.directions = scale[:, None] * directions * (self.length / size)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        present = present_rows(mask)
        found = torch.zeros(len(mask), self.size, device=mask.device)
        if present.any() and len(self.mean):
            raw = self._raw(values[present], mask[present])
            found[present] = F.pad((raw - self.mean) @ self.directions, (0, 1), value=self.length)
        return found

    @property
    def size(self) -> int:
        """Features."""
        return self.directions.shape[1] + 1

    def _raw(self, values: Tensor, mask: Tensor) -> Tensor:
        if not self.bag:
            return self.describe(values, mask)
        rows, items = mask.shape[:2]
        there = present_rows(mask.flatten(0, 1))
        of = torch.arange(rows, device=mask.device).repeat_interleave(items)[there]
        features = self.describe(values.flatten(0, 1)[there], mask.flatten(0, 1)[there])
        total = torch.zeros(rows, features.shape[1], device=mask.device).index_add_(0, of, features)
        return total / of.bincount(minlength=rows)[:, None]


class _Pooled(nn.Module):
    """The mean of a row's tokens."""

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        share = mask / mask.sum(1, keepdim=True)  # (P, T); of rows that are there
        return (tokens * share[..., None]).sum(1)


def _part(reader: Reader) -> nn.Module:
    kind = reader.modality
    if kind == "text":
        return TfIdf(reader.vocabulary)
    options = getattr(reader, "options", {})
    describe = {
        "image": Pictures,
        "video": Clips,
        "motion": lambda: Motion(**options),
        "audio": lambda: Sounds(options["sample_rate"]),
        "tabular": lambda: Columns(reader.numeric, reader.sizes),
        "vector": Numbers,
    }[kind]()
    return Described(describe, SHARE.get(kind, 1.0), getattr(reader, "bag", 1) > 1)
