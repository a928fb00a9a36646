from itertools import compress, product

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from sensorium.data import split
from sensorium.data.split import fold_rows, one_sided, split_by_time, split_rows
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


def tables(count=60):
    """Random tables of rows in groups: codes, groups, classes, share. Some groups are of one class, some are large."""
    random = np.random.default_rng(5)
    for _ in range(count):
        rows, groups, classes = (int(random.integers(*ends)) for ends in ((20, 300), (4, 60), (2, 6)))
        group = np.minimum(random.geometric(0.1, rows) - 1, groups - 1) if random.random() < 0.3 else None
        group = random.integers(0, groups, rows) if group is None else group
        own = random.integers(0, classes, groups)
        codes = np.where(random.random(rows) < random.random(), own[group], random.integers(0, classes, rows))
        yield codes, group * 7 - 3, classes, float(random.uniform(0.05, 0.6))  # a group's number is only a name


def coder_of(classes):
    return TargetCoder("label", "classification", [f"c{i}" for i in range(classes)])


def test_no_group_is_on_both_sides_and_no_class_is_where_its_groups_allow():
    seen = 0
    for codes, groups, classes, share in tables():
        train, valid = split_rows(codes, coder_of(classes), share, seed=1, groups=groups)
        assert sorted([*train, *valid]) == list(range(len(codes)))
        assert not set(groups[train]) & set(groups[valid])
        assert len(train)
        assert len(valid)
        holders = {c: set(groups[codes == c]) for c in set(codes)}
        for c, of in holders.items():
            assert c in codes[train], (c, of)  # what is not learned can't be answered
            if len(of) > len(holders):  # enough groups that one can always be spared
                assert c in codes[valid]
                seen += 1
    assert seen > 100


@pytest.mark.parametrize("few", [10, 0])  # every choice of groups is tried; some are
def test_every_class_is_on_both_sides_where_any_choice_of_groups_does_that(few, monkeypatch):
    monkeypatch.setattr(split, "FEW", few)
    random = np.random.default_rng(0)
    missed = []
    for _ in range(150):
        count, classes = random.integers(3, 7), random.integers(2, 5)
        groups, own = random.integers(0, count, 30), random.integers(0, classes, count)
        codes = np.where(random.random(30) < random.random(), own[groups], random.integers(0, classes, 30))
        every, sets = set(codes), [set(codes[groups == group]) for group in set(groups)]
        choices = product([False, True], repeat=len(sets))
        both = any(
            set().union(*compress(sets, choice)) == every == set().union(*compress(sets, (not c for c in choice)))
            for choice in choices
        )
        if both:
            train, valid = split_rows(codes, coder_of(classes), 0.2, 0, groups)
            missed.append(not set(codes[train]) == set(codes[valid]) == every)
    assert len(missed) > 80
    assert sum(missed) <= (0 if few else 2)


def test_the_seed_chooses_among_groups_that_do_as_well():
    codes, groups = np.arange(40) % 2, np.arange(40) // 4
    assert len({tuple(split_rows(codes, CLASSES, 0.2, seed, groups)[1]) for seed in range(10)}) > 5


def test_groups_are_as_even_as_scikit_learns():
    ours, theirs = [], []
    for codes, groups, classes, _ in tables():
        if np.bincount(codes).min(initial=len(codes), where=np.bincount(codes) > 0) < 5 or len(set(groups)) < 5:
            continue

        def apart(rows, codes=codes):
            there = np.bincount(codes)
            part = np.bincount(codes[rows], minlength=len(there))
            return np.abs(part / np.maximum(there, 1) - 0.2)[there > 0].mean()

        ours.append(apart(split_rows(codes, coder_of(classes), 0.2, 0, groups)[1]))
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
        theirs.append(np.mean([apart(rows) for _, rows in splitter.split(codes, codes, groups)]))
    assert len(ours) > 30
    assert np.mean(ours) < np.mean(theirs)


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_other_targets_are_split_by_groups_too(task):
    codes = RANDOM.normal(size=200) if task == "regression" else RANDOM.integers(0, 2, size=(200, 4))
    groups = RANDOM.integers(0, 40, 200)
    train, valid = split_rows(codes, TargetCoder("y", task), 0.25, 3, groups)
    assert not set(groups[train]) & set(groups[valid])
    assert len(valid) == pytest.approx(50, abs=3)


def test_groups_of_one_row_change_nothing():
    codes = RANDOM.integers(0, 3, size=90)
    for one, other in zip(
        split_rows(codes, CLASSES, 0.2, 4), split_rows(codes, CLASSES, 0.2, 4, np.arange(90)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_one_group_cannot_be_split():
    message = r"^all 6 rows belong to one group, so that none is left to validate with. Give rows to validate with \(--valid\)"
    with pytest.raises(DataError, match=message):
        split_rows(np.array([0, 1] * 3), CLASSES, 0.2, 0, np.zeros(6))


def test_a_class_of_one_group_is_learned_and_that_is_said():
    codes, groups = np.repeat([0, 1, 2], [20, 20, 8]), np.repeat([0, 1, 2, 3, 4], [10, 10, 10, 10, 8])
    train, valid = split_rows(codes, coder_of(3), 0.3, 0, groups)
    assert set(codes[train]) == {0, 1, 2}
    assert set(codes[valid]) == {0, 1}
    chosen = np.isin(np.arange(48), valid)
    (line,) = one_sided(codes, coder_of(3), chosen)
    assert line.startswith("target 'label': all 8 rows of class 'c2' are on one side of the split")
    assert "it is learned but not checked. Add rows of it in other groups" in line
    assert "checked but not learned" in one_sided(codes, coder_of(3), ~chosen)[0]
    assert one_sided(np.zeros(4), TargetCoder("y", "regression"), np.zeros(4, dtype=bool)) == []


def test_the_latest_rows_validate():
    times = RANDOM.permutation(np.arange(100) % 50).astype(float)  # each instant twice
    times[7] = np.nan
    train, valid = split_by_time(times, 0.2)
    assert sorted([*train, *valid]) == list(range(100))
    assert np.nanmax(times[train]) < times[valid].min()
    assert 7 in train
    assert len(valid) in {19, 20, 21}
    for share in (0.001, 0.999):
        assert all(len(side) for side in split_by_time(times, share))


def test_a_group_goes_where_its_latest_row_goes():
    for codes, groups, _, share in tables(20):
        times = np.random.default_rng(len(codes)).random(len(codes))
        train, valid = split_by_time(times, share, groups)
        assert not set(groups[train]) & set(groups[valid])
        last = {g: times[groups == g].max() for g in set(groups)}
        assert max(last[g] for g in groups[train]) < min(last[g] for g in groups[valid])


def test_rows_of_one_instant_cannot_be_split_by_time():
    with pytest.raises(DataError, match=r"^split.time: all rows, or groups of rows, end at the same time"):
        split_by_time(np.array([3.0, 3.0, 3.0]), 0.2)


def test_folds_are_scikit_learns():
    codes = RANDOM.permutation(np.repeat([0, 1], [70, 30]))
    coder = TargetCoder("label", "binary", ["no", "yes"])
    folds = fold_rows(codes, coder, 5, 3)
    for fold, (_, rows) in enumerate(StratifiedKFold(5, shuffle=True, random_state=3).split(codes, codes)):
        np.testing.assert_array_equal(np.flatnonzero(folds == fold), rows)
    assert np.bincount(fold_rows(RANDOM.normal(size=22), TargetCoder("y", "regression"), 4, 0)).tolist() == [6, 6, 5, 5]


def test_no_group_is_in_two_folds():
    used = 0
    for codes, groups, classes, _ in tables():
        whole = all(len(set(groups[codes == c])) > 20 for c in range(classes))  # no class but can be spread
        for coder in (
            (coder_of(classes), TargetCoder("y", "regression")) if whole else (TargetCoder("y", "regression"),)
        ):
            folds = fold_rows(codes, coder, 3, 0, groups)
            used += 1
            assert set(folds) == {0, 1, 2}
            assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    assert used > 65


def test_each_group_is_a_fold_of_its_own():
    groups = np.array([7, 2, 2, 9, 7, 9, 2, 9])
    codes = np.array([0, 1, 0, 1, 1, 0, 0, 1])
    assert fold_rows(codes, coder_of(2), "each", 0, groups).tolist() == [1, 0, 0, 2, 1, 2, 0, 2]
    with pytest.raises(DataError, match=r"^split.folds=each trains a model for each group of rows, and there is 1; it"):
        fold_rows(codes, coder_of(2), "each", 0, np.zeros(8))
    with pytest.raises(DataError, match=r"and there are 101; it takes from 2 to 100\. Groups are those of split.by"):
        fold_rows(np.arange(101) % 2, coder_of(2), "each", 0, np.arange(101))
    with pytest.raises(DataError, match=r"^target 'label': 3 of the 4 rows of class 'c0' fall into one of 2 folds"):
        fold_rows(np.array([0, 0, 0, 1, 0, 1, 1, 1]), coder_of(2), "each", 0, np.repeat([0, 1], [4, 4]))


@pytest.mark.parametrize(
    ("counts", "folds", "groups", "message"),
    [
        ([2, 2], 5, None, r"^there are 4 rows, too few for 5 folds. Take --folds 4, or fewer.$"),
        ([9, 9], 4, [0] * 6 + [1] * 6 + [2] * 6, r"^there are 3 groups of rows, too few for 4 folds. Take --folds 3"),
        ([9, 3], 5, None, r"^target 'label': class 'c1' has 3 rows, too few for 5 folds. Take --folds 3, add rows"),
        ([9, 6], 3, [0] * 3 + [1] * 3 + [2] * 3 + [3] * 6,
         r"^target 'label': 6 of the 6 rows of class 'c1' fall into one of 3 folds, which leaves too few to learn it"),
    ],
)  # fmt: skip
def test_folds_that_cannot_be(counts, folds, groups, message):
    codes = np.repeat(np.arange(len(counts)), counts)
    with pytest.raises(DataError, match=message):
        fold_rows(codes, coder_of(len(counts)), folds, 0, None if groups is None else np.array(groups))
