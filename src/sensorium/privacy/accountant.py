"""What steps of DP-SGD cost, and how much noise a budget asks for."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from sensorium.errors import ConfigError, imported_for

__all__ = ["Spent", "affordable", "epsilon_of", "noise_for"]

ERROR = 0.01  # of epsilon, at most, and a hundredth of it
Spent = tuple[float, float, int]  # noise, sampling rate, steps


@contextmanager
def opacus() -> Iterator[None]:
    """Around what Opacus is used for.

    Raises:
        ConfigError: it is not installed.
    """
    with imported_for("privacy", "Opacus", "private"), warnings.catch_warnings(), np.errstate(all="ignore"):
        # Of the bound by which it chooses the range that it computes on, and of a rate of 1, where a logarithm is of 0.
        warnings.filterwarnings("ignore", "Optimal order is the (largest|smallest) alpha")
        yield


def epsilon_of(history: Sequence[Spent], delta: float, error: float = ERROR) -> float:
    """The epsilon that steps of the Poisson-subsampled Gaussian mechanism have spent: an upper bound, for rows added or left out.

    Reference:
        Gopi et al. 2021, Numerical Composition of Differential Privacy (the PRV accountant, of Opacus).

    Args:
        history: parts of the training.
        delta: the probability that epsilon does not hold.
        error: of the result, above 0.
    """
    if not any(steps for *_, steps in history):
        return 0.0
    with opacus():
        from opacus.accountants import PRVAccountant

        accountant = PRVAccountant()
        accountant.history = [part for part in history if part[2]]
        return float(accountant.get_epsilon(delta, eps_error=error))


def noise_for(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """The noise multiplier with which `steps` come to `epsilon`, at most, and nearly.

    Raises:
        ConfigError: no noise would do.
    """
    with opacus():
        from opacus.accountants.utils import get_noise_multiplier

        near = min(ERROR, epsilon / 100)
        try:
            return float(
                get_noise_multiplier(
                    target_epsilon=epsilon, target_delta=delta, sample_rate=rate, steps=steps, accountant="prv",
                    epsilon_tolerance=2 * near, eps_error=near,
                )
            )  # fmt: skip
        except (ValueError, MemoryError) as error:  # beyond any noise, or with a range that no memory holds
            raise ConfigError(
                f"privacy.epsilon is too small for {steps} steps; got {epsilon:g}. Take a larger one, or fewer "
                "training.epochs."
            ) from error


def affordable(history: Sequence[Spent], noise: float, rate: float, epsilon: float, delta: float, most: int) -> int:
    """How many steps more, up to `most`, keep what is spent within epsilon."""

    def fits(steps: int) -> bool:
        return epsilon_of([*history, (noise, rate, steps)], delta, min(ERROR, epsilon / 100)) <= epsilon

    if fits(most):
        return most
    low, high = 0, most  # `low` steps fit, `high` don't
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
