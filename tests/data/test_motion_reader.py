"""Motion's rows: put together in `media`, taken apart and collated here."""

import numpy as np

from sensorium.data.media_readers import MotionReader
from sensorium.media import Motion

OPTIONS = {"steps": 5, "grid": 3, "pictures": 2, "size": (8, 16)}


def motion(seed: int) -> Motion:
    random = np.random.default_rng(seed)
    field, sizes = random.normal(size=(5, 3, 3, 3)) * 0.01, random.uniform(0, 5, 5)
    return Motion(field.astype(np.float32), sizes.astype(np.float32), random.integers(0, 256, (2, 3, 8, 16), np.uint8))


def test_a_row_is_taken_apart_as_it_was_put_together():
    found = motion(0)
    field, sizes, pictures = MotionReader("clip", **OPTIONS).parts(found.packed())
    np.testing.assert_allclose(field, found.field, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(sizes, found.sizes, rtol=1e-3)
    np.testing.assert_allclose(pictures * 255, found.pictures, atol=0.1)


def test_a_row_has_the_length_that_the_reader_says():
    assert MotionReader("clip", **OPTIONS).shape == motion(0).packed().shape


def test_rows_in_a_batch():
    rows = [motion(seed).packed() for seed in range(2)]
    values, mask = MotionReader("clip", **OPTIONS).collate([[rows[0]], None, [rows[1]]])
    assert values.dtype == np.float16
    assert mask.tolist() == [True, False, True]
    np.testing.assert_array_equal(values[[0, 2]], rows)
    assert not values[1].any()


def test_several_clips_in_a_cell():
    rows = [motion(seed).packed() for seed in range(3)]
    values, mask = MotionReader("clip", bag=2, **OPTIONS).collate([rows[:2], rows[2:], None])
    assert values.shape == (3, 2, len(rows[0]))
    assert mask.tolist() == [[True, True], [True, False], [False, False]]


def test_a_reader_is_made_again_from_its_state():
    reader = MotionReader("clip", bag=2, **OPTIONS)
    again = MotionReader.restore(reader.state())
    assert (again.columns, again.bag, again.options) == (("clip",), 2, OPTIONS)
    assert again.modality == "motion"
