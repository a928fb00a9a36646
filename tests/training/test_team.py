"""Which rows each of several processes has. That they come to the same is in test_devices.py."""

import itertools

import numpy as np
import pytest

from sensorium.data.batches import EpochSampler, Rows
from sensorium.data.table import read_table
from sensorium.errors import ConfigError
from sensorium.training.loop import Epochs
from sensorium.training.team import ALONE, Team


def rows(count):
    return Rows(read_table({"a": np.arange(count)}), {})


def places(count, size, team, shuffled):
    sampler = EpochSampler(count, seed=3) if shuffled else None
    loader = Epochs(rows(count), size, sampler, team)
    found = [batch.rows.tolist() for batch in loader]
    assert len(found) == len(loader)
    return found


@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize("count", [8, 9, 10, 11, 13, 16, 35])
@pytest.mark.parametrize("size", [2, 3])
def test_each_batch_is_divided_evenly_and_every_row_is_somewhere_once(count, size, shuffled):
    teams = [places(count, 8, Team(rank, size), shuffled) for rank in range(size)]
    assert len({len(found) for found in teams}) == 1
    found = [sorted(itertools.chain(*parts)) for parts in zip(*teams, strict=True)]
    alone = [sorted(batch) for batch in places(count, 8, ALONE, shuffled)]
    if not shuffled and 0 < count % 8 < size and count > 8:  # too few for all go with the batch before
        alone = [*alone[:-2], sorted(alone[-2] + alone[-1])]
    if shuffled and 0 < count % 8 < size:  # or wait for the next epoch
        alone = alone[: count // 8]
    assert found == alone
    for parts in zip(*teams, strict=True):
        sizes = [len(part) for part in parts]
        assert min(sizes) >= max(1, max(sizes) - 1)


def test_an_epoch_that_is_gone_on_with_begins_after_what_was_done():
    loader = Epochs(rows(20), 8, EpochSampler(20, seed=3), Team(1, 2))
    loader.load_state_dict({"done": 1})
    assert [batch.rows.tolist() for batch in loader] == places(20, 8, Team(1, 2), True)[1:]


def test_no_two_processes_have_the_same_chance():
    assert len({Team(rank, 4).seed(7) for rank in range(4)}) == 4
    assert Team(0, 4).seed(7) == ALONE.seed(7) == 7


@pytest.mark.parametrize(("count", "batch"), [(3, 16), (40, 6)])
def test_too_many_processes_are_refused(count, batch):
    with pytest.raises(
        ConfigError, match=f"4 processes must have .* there are {count} rows, {batch} a batch. Take fewer"
    ):
        Epochs(rows(count), batch, team=Team(0, 4))
