"""A gradient that is turned round on its way back."""

import math
from typing import Any

import torch
from torch import Tensor

__all__ = ["reverse", "rise"]

STEEPNESS = 10.0


class Reverse(torch.autograd.Function):
    """The same forward, minus `weight` times the gradient back."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * gradient, None


def reverse(values: Tensor, weight: float) -> Tensor:
    """`values` as they are; their gradient comes back turned round, times `weight`.

    Reference:
        Ganin et al., 2016, section 4.2.
    """
    return Reverse.apply(values, weight)


def rise(done: float) -> float:
    """From 0 to 1 as the training goes from 0 to 1: 2 / (1 + exp(-10 done)) - 1 (Ganin et al., 2016, section 5.2.2)."""
    return 2 / (1 + math.exp(-STEEPNESS * done)) - 1
