import numpy as np
import pytest
from scipy.stats import norm

from sensorium.errors import ConfigError
from sensorium.federated.noise import epsilon_of, multiplier_for


@pytest.mark.parametrize(("multiplier", "rounds"), [(1.0, 1), (2.0, 10), (0.5, 3), (40.0, 7)])
def test_delta_of_the_privacy_loss_is_what_was_asked_for(multiplier, rounds):
    # By the definition: the mean of max(0, 1 - exp(epsilon - loss)), where the loss of that many Gaussian rounds is
    # normal with mean mu^2 / 2 and deviation mu.
    epsilon, mu = epsilon_of(multiplier, 1e-3, rounds), np.sqrt(rounds) / multiplier
    loss = np.linspace(epsilon, mu**2 / 2 + 12 * mu, 400_001)
    inside = -np.expm1(epsilon - loss) * norm.pdf(loss, mu**2 / 2, mu)
    assert np.trapezoid(inside, loss) == pytest.approx(1e-3, rel=1e-4)


def test_noise_for_an_epsilon_comes_to_it():
    assert epsilon_of(multiplier_for(3.0, 1e-5, 20), 1e-5, 20) == pytest.approx(3.0, rel=1e-6)
    assert epsilon_of(0.0, 1e-5, 1) == np.inf


def test_what_is_no_epsilon_is_refused():
    with pytest.raises(ConfigError, match=r"epsilon must be above 0 and delta between 0 and 1; got 0 and 1e-05"):
        multiplier_for(0.0, 1e-5, 1)
