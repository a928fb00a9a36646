"""Which rows to learn from and which to check with."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy.sparse import csr_array
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, train_test_split

from sensorium.data.targets import CLASSED, TargetCoder
from sensorium.errors import DataError

__all__ = ["fold_rows", "one_sided", "split_by_time", "split_rows"]

FEW = 10  # groups up to which every choice of them is tried
MOST_EACH = 100  # models of folds "each"
TRIES, STEPS = 20, 50_000  # else: random orders of the groups that are tried; groups dealt out in all of them


def split_rows(
    codes: np.ndarray, coder: TargetCoder, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into train and valid, every class in both where it is a classification and its groups allow it.

    A class of few rows would, rounded, be missing from one side: each gives at least one row, or group, to either.

    Args:
        codes: encoded target, (N,) or (N, labels).
        coder: what `codes` mean.
        share: of the rows, to validate with; above 0, below 1.
        seed: of the choice.
        groups: a number for each row, (N,); rows of one number stay on one side. None: every row is its own.

    Returns:
        Two sorted arrays of positions.

    Raises:
        DataError: fewer than 2 rows, or than 2 groups.
    """
    if len(codes) < 2:
        raise DataError(
            f"target '{coder.name}' has a value in {len(codes)} row; 2 at least are needed, to learn and to check."
        )
    everything = np.arange(len(codes))
    if groups is not None and len(np.unique(groups)) < len(groups):
        chosen = _whole_groups(_classes(codes, coder), groups, share, np.random.default_rng(seed))
        return everything[~chosen], everything[chosen]
    if coder.task not in CLASSED:
        train, valid = train_test_split(everything, test_size=share, random_state=seed)
        return np.sort(train), np.sort(valid)
    random = np.random.default_rng(seed)
    valid = [
        random.permutation(rows)[: int(np.clip(round(share * len(rows)), 1, len(rows) - 1))]
        for value in np.unique(codes)
        if len(rows := everything[codes == value]) > 1
    ]
    chosen = np.zeros(len(codes), dtype=bool)
    chosen[np.concatenate(valid)] = True
    return everything[~chosen], everything[chosen]


def split_by_time(times: np.ndarray, share: float, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Split rows at an instant: nothing that is learned from is later than what is checked with.

    Rows of one instant stay together, and so do groups: one that reaches past the instant validates as a whole.

    Args:
        times: (N,), in any unit; NaN is taken for the earliest.
        share: of the rows, to validate with; that instant is taken that comes nearest to it.
        groups: as `split_rows` takes them.

    Raises:
        DataError: all rows, or groups, end at one instant.
    """
    last = np.where(np.isnan(times), -np.inf, times)
    if groups is not None:
        _, group = np.unique(groups, return_inverse=True)
        latest = np.full(group.max() + 1, -np.inf)
        np.maximum.at(latest, group, last)
        last = latest[group]
    instants, counts = np.unique(last, return_counts=True)
    if len(instants) < 2:
        raise DataError(
            "split.time: all rows, or groups of rows, end at the same time, so that none is left to learn from. "
            "Take another column, or leave out split.by."
        )
    after = np.cumsum(counts[::-1])[::-1][1:]  # rows from each instant on, but for the first
    valid = last >= instants[1 + np.abs(after - share * len(times)).argmin()]
    return np.flatnonzero(~valid), np.flatnonzero(valid)


def fold_rows(
    codes: np.ndarray, coder: TargetCoder, folds: int | str, seed: int, groups: np.ndarray | None = None
) -> np.ndarray:
    """The fold of each row, from 0: as even as scikit-learn makes them, in size and in classes, or one a group.

    Args:
        codes, coder, seed, groups: as `split_rows` takes them.
        folds: 2 at least; "each": as many as groups, which are given then.

    Raises:
        DataError: fewer rows, groups or rows of a class than folds, or a class that only one fold would hold.
    """
    names, classes = coder.classes if coder.task in CLASSED else [], _classes(codes, coder)
    if folds == "each":
        return _learnable(_one_a_group(groups), coder, names, classes)
    if groups is not None and len(np.unique(groups)) == len(groups):
        groups = None
    units, of = (len(codes), "rows") if groups is None else (len(np.unique(groups)), "groups of rows")
    if units < folds:
        more = (
            "" if groups is None else " Groups are those of split.by, and of files that rows share (split.duplicates)."
        )
        raise DataError(f"there are {units} {of}, too few for {folds} folds. Take --folds {units}, or fewer.{more}")
    for name, count in zip(names, np.bincount(classes, minlength=len(names)), strict=False):
        if count < folds:
            raise DataError(
                f"target '{coder.name}': class '{name}' has {count} rows, too few for {folds} folds. "
                f"Take --folds {count}, add rows of it, or merge it with another class."
            )
    options = {"n_splits": folds, "shuffle": True, "random_state": seed}
    if groups is None:
        splitter = StratifiedKFold(**options) if names else KFold(**options)
    else:
        splitter = StratifiedGroupKFold(**options) if names else GroupKFold(**options)
    found = np.empty(len(codes), dtype=np.int64)
    for fold, (_, rows) in enumerate(splitter.split(np.zeros(len(codes)), classes, groups)):
        found[rows] = fold
    return _learnable(found, coder, names, classes)


def _one_a_group(groups: np.ndarray) -> np.ndarray:
    found, folds = np.unique(groups, return_inverse=True)
    if not 2 <= len(found) <= MOST_EACH:
        raise DataError(
            f"split.folds=each trains a model for each group of rows, and there "
            f"{'is 1' if len(found) < 2 else f'are {len(found)}'}; it takes from 2 to {MOST_EACH}. "
            "Groups are those of split.by, and of files that rows share (split.duplicates). "
            "Take another column, or a number of folds."
        )
    return folds


def _learnable(folds: np.ndarray, coder: TargetCoder, names: list[str], classes: np.ndarray) -> np.ndarray:
    """The folds, once it is sure that every class can be learned from the others."""
    count = int(folds.max()) + 1
    for name, there in _present(classes, names, folds, count):
        left = there.sum() - there
        if (left < 2).any():
            raise DataError(
                f"target '{coder.name}': {there.sum() - left.min()} of the {there.sum()} rows of class '{name}' fall "
                f"into one of {count} folds, which leaves too few to learn it from. "
                "Add rows of it in other groups, merge it with another class, or take more folds where there are more groups."
            )
    return folds


def one_sided(codes: np.ndarray, coder: TargetCoder, valid: np.ndarray) -> list[str]:
    """A warning for each class that is on one side of a split alone; `valid`: which rows validate, (N,) bool."""
    if coder.task not in CLASSED:
        return []
    lines = []
    for name, there in _present(_classes(codes, coder), coder.classes, valid.astype(np.int64), 2):
        if there.sum() and not there.all():
            what = "learned but not checked" if there[0] else "checked but not learned"
            lines.append(
                f"target '{coder.name}': all {there.sum()} rows of class '{name}' are on one side of the split, as "
                f"their groups or times demand: it is {what}. Add rows of it in other groups or at other times, or "
                "merge it with another class."
            )
    return lines


def _classes(codes: np.ndarray, coder: TargetCoder) -> np.ndarray:
    """The class of each row; one for all where the target has none."""
    single = coder.task in CLASSED
    return codes.astype(np.int64) if single else np.zeros(len(codes), dtype=np.int64)


def _present(classes: np.ndarray, names: list[str], parts: np.ndarray, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Each class with its rows in each part."""
    table = np.zeros((max(len(names), 1), count), dtype=np.int64)
    np.add.at(table, (classes, parts), 1)
    yield from zip(names, table, strict=False)


def _whole_groups(classes: np.ndarray, groups: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Which rows validate, (N,) bool: whole groups, whose classes come as near to `share` as some tries get.

    scikit-learn's StratifiedGroupKFold knows only shares of one in n, and leaves the classes less even.
    """
    _, group, size = np.unique(groups, return_inverse=True, return_counts=True)
    if len(size) < 2:
        raise DataError(
            f"all {len(groups)} rows belong to one group, so that none is left to validate with. "
            "Give rows to validate with (--valid), or take another column for split.by."
        )
    table = csr_array((np.ones(len(classes)), (group, classes)))  # (groups, classes), rows in each
    table.sum_duplicates()
    dealt = _Deal(table, size, share, random)
    if len(size) <= FEW:
        order = random.permutation(len(size))  # among equals the first is taken
        choices = (np.array(choice)[order] for choice in product([False, True], repeat=len(size)))
    else:
        choices = (dealt.attempt() for _ in range(min(TRIES, 1 + STEPS // len(size))))
    chosen = min(choices, key=dealt.cost)
    if dealt.cost(chosen)[0]:
        raise DataError(
            f"of {len(size)} groups of rows none can be spared to validate with: each is the only one of a class. "
            "Give rows to validate with (--valid), or take another column for split.by."
        )
    return chosen[group]


class _Deal:
    """Groups to be dealt out to two sides.

    Args:
        table: rows of each class in each group, (groups, classes).
        size: rows of each group.
        share: of each class, to validate with.
    """

    def __init__(self, table: csr_array, size: np.ndarray, share: float, random: np.random.Generator):
        self.table, self.size, self.random = table, size, random
        self.total = np.asarray(table.sum(0)).ravel()
        self.total[self.total == 0] = 1
        self.wanted = share * self.total
        self.holds = (table > 0).astype(np.int64)
        self.holders = np.asarray(self.holds.sum(0)).ravel()  # groups of each class
        self.columns = self.holds.tocsc()

    def attempt(self) -> np.ndarray:
        """Which groups validate: in a random order, each that brings its classes nearer to what is wanted."""
        chosen = np.zeros(len(self.size), dtype=bool)
        got = np.zeros(len(self.total))
        table = self.table
        for group in self.random.permutation(len(self.size)):
            part = slice(table.indptr[group], table.indptr[group + 1])
            at, rows = table.indices[part], table.data[part]
            if (rows * (rows + 2 * (got[at] - self.wanted[at])) / self.total[at]).sum() < 0:
                chosen[group] = True
                got[at] += rows
        self._mend(chosen)
        return chosen

    def _mend(self, chosen: np.ndarray) -> None:
        """Move groups, small ones first, so that every class is learned, and checked where it has several groups."""
        for kind in np.argsort(self.holders, kind="stable"):
            holders = self._of(kind)
            if len(holders) == 1:
                chosen[holders] = False
            elif len(holders) > 1 and (chosen[holders].all() or not chosen[holders].any()):
                side = bool(chosen[holders[0]])
                left = np.asarray((self.holds[chosen == side]).sum(0)).ravel()  # groups of each class on that side
                for group in holders[np.argsort(self.size[holders], kind="stable")]:
                    part = slice(self.holds.indptr[group], self.holds.indptr[group + 1])
                    if side or (left[self.holds.indices[part]] > 1).all():
                        chosen[group] = not side
                        break

    def _of(self, kind: int) -> np.ndarray:
        return self.columns.indices[self.columns.indptr[kind] : self.columns.indptr[kind + 1]]

    def cost(self, chosen: np.ndarray) -> tuple[float, float, float]:
        """Classes that are not learned, ones that could be checked and are not, and how far shares are from the wanted."""
        inside = np.asarray(self.holds[chosen].sum(0)).ravel()
        got = np.asarray(self.table[chosen].sum(0)).ravel()
        lost = ((inside == self.holders) & (self.holders > 0)).sum() if chosen.any() else np.inf
        unchecked = ((inside == 0) & (self.holders > 1)).sum()
        return float(lost), float(unchecked), float(((got - self.wanted) ** 2 / self.total).sum())
