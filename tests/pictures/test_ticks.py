"""Round numbers for an axis: they hold all values, are few, and even."""

import numpy as np
import pytest

from sensorium.pictures.ticks import ticks


@pytest.mark.parametrize("count", [5, 10])
def test_ticks_hold_the_values_and_are_few_and_round(count):
    random = np.random.default_rng(0)
    for _ in range(300):
        values = random.normal(size=3) * 10 ** random.uniform(-4, 6) + random.normal() * 10 ** random.uniform(-4, 3)
        marks = ticks(values.tolist(), count)
        step = marks[1] - marks[0]
        assert marks[0] <= values.min() + 1e-6 * step
        assert marks[-1] >= values.max() - 1e-6 * step
        assert 2 <= len(marks) <= count + 3
        np.testing.assert_allclose(np.diff(marks), step, rtol=1e-6)
        assert round(step / 10 ** np.floor(np.log10(step * 1.0001)), 6) in {1, 2, 5}


def test_one_value_or_none_has_ticks_too():
    assert len(ticks([3.0, 3.0])) >= 2
    assert ticks([]).tolist()[0] == 0
