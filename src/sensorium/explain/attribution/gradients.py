"""Integrated gradients, of what goes into a network or of what modules inside it give."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.library import captum_attr

__all__ = ["Inner", "integrated_gradients", "reaches"]

STEPS = (16, 64, 256)  # more are taken where fewer don't add up
BATCH = 16  # steps at a time
ENOUGH, LITTLE = 0.03, 0.01  # of the change, and of a logit, that the values may lack


def integrated_gradients(
    answer: Callable[..., Tensor], given: Sequence[Tensor], nothing: Sequence[Sequence[Tensor]]
) -> tuple[list[Tensor], float]:
    """What each number adds to the answer on straight ways from nothing to what is given, and what all add up to.

    Reference:
        Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks; the mean over several baselines: Erion et al.
        2021, expected gradients.

    Args:
        answer: tensors (N, ...) -> (N,).
        given: (1, ...) each.
        nothing: baselines, each a tensor for every one of `given`.
    """
    method = captum_attr().IntegratedGradients(answer)
    given = tuple(given)
    total, change = [torch.zeros_like(part) for part in given], 0.0
    with torch.no_grad():
        here = float(answer(*given))
    for baseline in nothing:
        with torch.no_grad():
            wanted = here - float(answer(*baseline))
        for steps in STEPS:
            found = method.attribute(given, tuple(baseline), n_steps=steps, internal_batch_size=BATCH)
            if abs(sum(float(part.sum()) for part in found) - wanted) <= max(ENOUGH * abs(wanted), LITTLE):
                break
        total = [sum_ + part.detach() / len(nothing) for sum_, part in zip(total, found, strict=True)]
        change += wanted / len(nothing)
    return total, change


def reaches(answer: Callable[[Tensor], Tensor], values: Tensor) -> bool:
    """Whether gradients go from the answer back to these values."""
    values = values.detach().requires_grad_()
    told = answer(values)
    return told.requires_grad and torch.autograd.grad(told.sum(), values, allow_unused=True)[0] is not None


class Inner:
    """The answer as a function of what modules inside the encoders give.

    Args:
        answer: of one row.
        modules: those that are asked count, with the first of what they give.
    """

    def __init__(self, answer: Answer, modules: Iterable[nn.Module]):
        self.answer, self.modules = answer, list(dict.fromkeys(modules))  # two encoders may share one
        asked = self.outputs(answer.values)
        self.modules = [module for module in self.modules if module in asked]
        self.given = [asked[module] for module in self.modules]  # (1, ...) each

    def outputs(self, values: Tensor) -> dict[nn.Module, Tensor]:
        """What each module gives for other values of the row."""
        found: dict[nn.Module, Tensor] = {}

        def note(module: nn.Module, _: Any, output: Any) -> None:
            found[module] = (output[0] if isinstance(output, tuple) else output).detach()[None]

        with ExitStack() as stack, torch.no_grad():
            for module in self.modules:
                stack.callback(module.register_forward_hook(note).remove)
            self.answer(values)
        return found

    def __call__(self, *inner: Tensor) -> Tensor:
        rows, values = len(inner[0]), self.answer.values
        with ExitStack() as stack:
            for module, part in zip(self.modules, inner, strict=True):
                stack.callback(module.register_forward_hook(_give(part.flatten(0, 1))).remove)
            return self.answer(values.expand(rows, *values.shape[1:]))


def _give(part: Tensor) -> Callable[..., Any]:
    def hook(module: nn.Module, _: Any, output: Any) -> Any:
        return (part, *output[1:]) if isinstance(output, tuple) else part

    return hook
