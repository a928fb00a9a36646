import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from sensorium.data.split import split_rows
from sensorium.data.targets import TargetCoder
from sensorium.errors import DataError

RANDOM = np.random.default_rng(0)
CLASSES = TargetCoder("label", "classification")


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_classes_keep_their_shares_as_scikit_learn_has_it(share):
    codes = RANDOM.permutation(np.repeat([0, 1, 2], [600, 300, 100]))
    train, valid = split_rows(codes, CLASSES, share, seed=3)
    _, theirs = train_test_split(codes, test_size=share, stratify=codes, random_state=0)
    np.testing.assert_array_equal(np.bincount(codes[valid]), np.bincount(theirs))
    assert sorted([*train, *valid]) == list(range(1000))
    assert (np.diff(train) > 0).all()
    assert (np.diff(valid) > 0).all()


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9, 0.99])
@pytest.mark.parametrize("task", ["binary", "classification"])
def test_every_class_is_on_both_sides_however_rare(task, share):
    codes = np.repeat([0.0, 1.0], [50, 2]) if task == "binary" else np.repeat([0, 1, 2], [50, 2, 3])
    train, valid = split_rows(codes, TargetCoder("label", task), share, seed=0)
    assert set(codes[train]) == set(codes[valid]) == set(codes)


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_other_targets_are_split_as_scikit_learn_does(task):
    codes = RANDOM.normal(size=53) if task == "regression" else RANDOM.integers(0, 2, size=(53, 4))
    train, valid = split_rows(codes, TargetCoder("y", task), 0.2, seed=7)
    theirs = train_test_split(np.arange(53), test_size=0.2, random_state=7)
    np.testing.assert_array_equal(train, np.sort(theirs[0]))
    np.testing.assert_array_equal(valid, np.sort(theirs[1]))


def test_the_seed_alone_decides():
    codes = RANDOM.integers(0, 3, size=90)
    one, same, other = (split_rows(codes, CLASSES, 0.2, seed)[1].tolist() for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_cannot_be_split(rows):
    with pytest.raises(DataError, match=f"target 'tags' has a value in {rows} row; 2 at least are needed"):
        split_rows(np.zeros((rows, 3)), TargetCoder("tags", "multilabel"), 0.2, seed=0)
