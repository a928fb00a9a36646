"""The next token of a text: the likeliest, or one that is drawn."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sensorium.errors import ConfigError

__all__ = ["Sampling", "next_token"]


class Sampling(NamedTuple):
    """How tokens are drawn.

    Args:
        temperature: what logits are divided by, above 0; the lower, the nearer to the likeliest token.
        top_p: only the likeliest tokens that together have this probability are drawn from; above 0, 1 at most.
        seed: of the draws. All rows take the same ones, so that a row's text depends on that row alone.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    def checked(self) -> "Sampling":
        """Itself.

        Raises:
            ConfigError: a number out of its range.
        """
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ConfigError(f"temperature must be a number above 0; got {self.temperature}.")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be above 0 and at most 1; got {self.top_p}.")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"seed must be a whole number, 0 or more; got {self.seed}.")
        return self


def next_token(logits: Tensor, sampling: Sampling | None = None, share: float = 0.0) -> Tensor:
    """The token of each row.

    Reference:
        Holtzman et al. 2020, The Curious Case of Neural Text Degeneration (top_p).

    Args:
        logits: of all tokens.
        sampling: None: the likeliest token.
        share: drawn evenly from [0, 1): the place in the tokens' probabilities, the likeliest first.

    Shape:
        logits: (B, V). Returns (B,) int64.

    Example:
        >>> logits = torch.tensor([[0.2, 0.5, 0.3]]).log()
        >>> [next_token(logits, Sampling(), share).item() for share in (0.49, 0.51, 0.81)]
        [1, 2, 0]
    """
    if sampling is None:
        return logits.argmax(1)
    probabilities, order = (logits.double() / sampling.temperature).softmax(1).sort(dim=1, descending=True, stable=True)
    before = probabilities.cumsum(1) - probabilities  # (B, V): of the tokens that are likelier
    kept = probabilities.masked_fill(before >= sampling.top_p, 0)
    reached = kept.cumsum(1) <= share * kept.sum(1, keepdim=True)  # (B, V)
    last = (kept > 0).sum(1) - 1
    return order.gather(1, torch.minimum(reached.sum(1), last)[:, None])[:, 0]
