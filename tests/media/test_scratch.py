"""A scratch array gives back what was written, leaves nothing behind, and says when it is full."""

import errno
import os

import numpy as np
import pytest

from sensorium.media.scratch import ScratchArray


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_rows_are_those_that_were_written(dtype, tmp_path):
    rows = np.random.default_rng(0).normal(100, 20, (5, 3, 4, 7)).astype(dtype)
    array = ScratchArray(tmp_path, 5, (3, 4, 7), dtype)
    assert [array.add(row) for row in rows[:3]] == [1, 2, 3]
    assert [array.add(row) for row in np.asfortranarray(rows[3:])] == [4, 5]  # in another order in memory
    np.testing.assert_array_equal(array.values[1:], rows)
    np.testing.assert_array_equal(array.values.take([3, 0, 3], axis=0), [rows[2], np.zeros((3, 4, 7)), rows[2]])
    assert array.add(rows[0]) is None


def test_the_file_has_no_name_and_takes_disk_for_what_was_written_alone(tmp_path):
    array = ScratchArray(tmp_path, 10_000, (4096,), np.uint8)
    for _ in range(3):
        array.add(np.ones(4096))
    about = os.fstat(array.file.fileno())
    assert list(tmp_path.iterdir()) == []
    assert about.st_size == 10_001 * 4096
    assert about.st_blocks * 512 < 100 * 4096


@pytest.mark.parametrize("what", ["error", "part of a row"])
def test_a_full_disk_is_the_end_of_adding_not_of_reading(what, tmp_path, monkeypatch):
    array = ScratchArray(tmp_path, 5, (4,), np.uint8)
    assert array.add(np.arange(4)) == 1

    class FullDisk:
        def write(self, row: np.ndarray) -> int:
            if what == "error":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return 3

    with monkeypatch.context() as patched:
        patched.setattr(array, "file", FullDisk())
        assert array.add(np.ones(4)) is None
    assert array.add(np.ones(4)) is None
    np.testing.assert_array_equal(array.values[1], np.arange(4))


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        ScratchArray(tmp_path / "none", 5, (4,), np.uint8)
