"""Batches in which each row is, or is not, by a chance of its own."""

import time
from collections.abc import Iterator

import numpy as np
import torch

from sensorium.data.batches import Batch, Rows

__all__ = ["PoissonEpochs"]


class PoissonEpochs:
    """An epoch's batches, each of every row with the same probability: their sizes differ, and one may be empty.

    What the accountant counts with is that nobody knows who was drawn: so the draws come from the system's own chance, and
    no seed repeats them.

    Args:
        rows: that are read.
        rate: the probability, above 0, up to 1.
        steps: batches an epoch.
    """

    batch_sampler = sampler = None  # Lightning looks for them

    def __init__(self, rows: Rows, rate: float, steps: int):
        self.rows, self.rate, self.steps, self.waited = rows, rate, steps, 0.0
        self.done = 0  # batches of the epoch
        self.random = np.random.default_rng()

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        """The next batch's files are asked for before one is used."""
        self.waited = 0.0
        self.done = self.done if self.done < self.steps else 0
        places = self._draw()
        asked = self.rows.begin(places)
        for step in range(self.done, self.steps):
            start = time.monotonic()
            batch = self.rows.finish(places, asked) if len(places) else Batch({}, {}, torch.zeros(0, dtype=torch.long))
            self.waited += time.monotonic() - start
            if step + 1 < self.steps:
                places = self._draw()
                asked = self.rows.begin(places)
            self.done += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """For a checkpoint within an epoch, which is gone on with after as many batches."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.done = state["done"]

    def _draw(self) -> np.ndarray:
        return np.flatnonzero(self.random.random(len(self.rows)) < self.rate)
