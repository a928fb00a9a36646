"""Pieces of an input taken away in random orders: no gradients, and the whole answer."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.library import captum_attr

__all__ = ["Pieces", "shapley"]

ASKED = 1024  # variants of the row, about
ORDERS = (4, 64)  # at least, at most
BATCH = 32


class Pieces(NamedTuple):
    """How an input is cut up.

    count: of pieces. of: the piece of each pixel, sample, token or cell of the files that are there. take: (N, count) bool,
    which pieces are left in N variants of the row -> their values and mask.
    """

    count: int
    of: Tensor
    take: Callable[[Tensor], tuple[Tensor, Tensor]]


def shapley(answer: Answer, pieces: Pieces) -> tuple[Tensor, float]:
    """What each piece adds to the whole answer, the mean over random orders of adding them; and what all add up to.

    Reference:
        Castro et al. 2009, Polynomial calculation of the Shapley value based on sampling.
    """
    count = pieces.count

    def told(left: Tensor) -> Tensor:
        return answer.whole(*pieces.take(left.bool()))

    method = captum_attr().ShapleyValueSampling(told)
    orders = min(max(ASKED // count, ORDERS[0]), ORDERS[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = method.attribute(
            torch.ones(1, count), torch.zeros(1, count), n_samples=orders, perturbations_per_eval=BATCH
        )
    ends = told(torch.tensor([[True], [False]]).expand(2, count))
    return found[0].detach(), float(ends[0] - ends[1])
