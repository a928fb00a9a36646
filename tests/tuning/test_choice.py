"""What a choice draws: inside its range, and the default always possible."""

import pytest
from optuna import create_trial
from optuna.distributions import FloatDistribution
from optuna.trial import FixedTrial

from sensorium.config.fusions import Bottleneck, Concat
from sensorium.config.options import Training
from sensorium.tuning.choice import bounds, numbers, one_of


def test_a_number_is_read_to_three_digits_and_stays_in_its_range():
    choice = numbers("rate", 1e-3, 0.00012345, 0.0098765, log=True)
    for drawn, taken in ((0.0012345, 0.00123), (0.00012345, 0.00012345), (0.0098765, 0.0098765)):
        assert choice.suggest(FixedTrial({"rate": drawn})) == taken


def test_whole_numbers_stay_whole():
    assert repr(numbers("layers", 2, 1, 4).suggest(FixedTrial({"layers": 3}))) == "3"


@pytest.mark.parametrize(("default", "ends"), [(0.7, (0.0, 0.7)), (0.2, (0.0, 0.5)), (-1.0, (-1.0, 0.5))])
def test_a_range_holds_the_default(default, ends):
    choice = numbers("dropout", default, 0.0, 0.5)
    assert (choice.low, choice.high) == ends
    told = {"params": {"dropout": default}, "distributions": {"dropout": FloatDistribution(*ends)}}
    assert create_trial(value=0.0, **told).params == {"dropout": default}  # else optuna refuses it


def test_values_hold_the_default_once():
    assert one_of("size", 16, [8, 16, 32]).values == (8, 16, 32)
    assert one_of("size", 5, [8, 16]).values == (8, 16, 5)
    assert one_of("size", 5, [8, 16]).suggest(FixedTrial({"size": 8})) == 8


def test_bounds_are_those_of_the_option():
    assert bounds(Bottleneck, "layers", 1, 4) == (2, 4)  # ge=2
    assert bounds(Concat, "dropout", -0.5, 3.0) == (0, 1)  # ge=0, lt=1
    assert bounds(Training, "learning_rate", -1.0, 5.0) == (0, 5.0)  # gt=0
