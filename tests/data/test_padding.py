"""Arrays of several lengths as one."""

import numpy as np

from sensorium.data.padding import pad


def test_shorter_rows_are_filled_up_and_masked():
    values, mask = pad([np.array([1, 2, 3]), None, np.array([4])], np.int64)
    assert values.tolist() == [[1, 2, 3], [0, 0, 0], [4, 0, 0]]
    assert mask.tolist() == [[True, True, True], [False, False, False], [True, False, False]]
    assert values.dtype == np.int64


def test_further_dimensions_stay():
    values, mask = pad([np.ones((2, 3)), np.ones((1, 3))], np.float32)
    assert values.shape == (2, 2, 3)
    assert mask.tolist() == [[True, True], [True, False]]


def test_nothing_at_all_is_one_masked_place():
    values, mask = pad([None, None], np.float32)
    assert values.shape == mask.shape == (2, 1)
    assert not mask.any()
