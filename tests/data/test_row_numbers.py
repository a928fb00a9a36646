"""Row numbers written short, and back."""

import numpy as np
import pytest

from sensorium.data.row_numbers import read_numbers, write_numbers


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([5], "5"), ([1, 2], "1-2"), ([1, 2, 3, 7], "1-3,7"), ([9, 3, 4], "3-4,9"), ([1, 3, 5], "1,3,5")],
)
def test_runs_are_ranges(numbers, text):
    assert write_numbers(numbers) == text
    assert read_numbers(text) == sorted(numbers)


def test_what_is_written_is_read_again():
    random = np.random.default_rng(0)
    for share in (0.05, 0.5, 0.95):
        numbers = (np.flatnonzero(random.random(1000) < share) + 1).tolist()
        assert read_numbers(write_numbers(numbers)) == numbers
