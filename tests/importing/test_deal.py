import numpy as np

from sensorium.importing.deal import deal, deal_groups


def test_each_label_is_dealt_out_in_tenths():
    labels = np.array(["a"] * 100 + ["b"] * 20 + ["c"] * 3)
    dealt = deal(labels, seed=0)
    assert {split: [int((labels[rows] == name).sum()) for name in "abc"] for split, rows in dealt.items()} == {
        "train": [80, 16, 1],
        "valid": [10, 2, 1],
        "test": [10, 2, 1],
    }
    assert sorted(np.concatenate(list(dealt.values()))) == list(range(123))
    assert all((np.diff(rows) > 0).all() for rows in dealt.values())
    again, other = deal(labels, seed=0), deal(labels, seed=1)
    assert all((again[split] == dealt[split]).all() for split in dealt)
    assert any((other[split] != dealt[split]).any() for split in dealt)


def test_two_rows_of_a_label_train():
    assert {split: list(rows) for split, rows in deal(["a", "a"], seed=0).items()} == {"train": [0, 1]}


def test_all_rows_of_a_group_are_in_one_split():
    groups = np.array([f"s{row % 10}" for row in range(50)])
    dealt = deal_groups(groups, seed=3)
    names = {split: set(groups[rows]) for split, rows in dealt.items()}
    assert {split: len(found) for split, found in names.items()} == {"train": 8, "valid": 1, "test": 1}
    assert sum(len(rows) for rows in dealt.values()) == 50
    assert len(set.union(*names.values())) == 10
