"""How private noise of a given size is, over all rounds together."""

import math

from sensorium.errors import ConfigError

__all__ = ["epsilon_of", "multiplier_for"]

MOST = 1e6  # epsilon beyond which nothing is hidden


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _log_normal(x: float) -> float:
    """log of the normal distribution function, where it is too small for a number, too."""
    if x > -30:
        return math.log(_normal(x))
    return -x * x / 2 - math.log(-x * math.sqrt(2 * math.pi))


def delta_of(epsilon: float, mu: float) -> float:
    """The delta that goes with an epsilon, for a mean shifted by `mu` standard deviations of its noise."""
    second = epsilon + _log_normal(-mu / 2 - epsilon / mu)
    return _normal(mu / 2 - epsilon / mu) - math.exp(second)


def epsilon_of(multiplier: float, delta: float, rounds: int) -> float:
    """The epsilon of rounds that each add Gaussian noise of `multiplier` times what one member can change.

    Every member takes part in every round: nothing is gained from chance in who does.

    Reference:
        Balle and Wang 2018, Improving the Gaussian Mechanism for Differential Privacy, theorem 8; rounds compose exactly, to
        one with a mean shifted by sqrt(rounds) / multiplier (Dong, Roth and Su 2022, Gaussian Differential Privacy).

    Example:
        >>> round(epsilon_of(1.0, 1e-5, 1), 2)
        4.38
    """
    if multiplier <= 0:
        return math.inf
    mu = math.sqrt(rounds) / multiplier
    low, high = 0.0, 1.0
    while delta_of(high, mu) > delta:
        high *= 2
        if high > MOST:
            return math.inf
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle, mu) > delta else (low, middle)
    return high


def multiplier_for(epsilon: float, delta: float, rounds: int) -> float:
    """The least noise, see `epsilon_of`, that keeps to an epsilon.

    Raises:
        ConfigError: an epsilon that is not above 0, or a delta that is not between 0 and 1.
    """
    if not epsilon > 0 or not 0 < delta < 1:
        raise ConfigError(f"epsilon must be above 0 and delta between 0 and 1; got {epsilon:g} and {delta:g}.")
    low, high = 0.0, 1.0
    while epsilon_of(high, delta, rounds) > epsilon:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon_of(middle, delta, rounds) > epsilon else (low, middle)
    return high
