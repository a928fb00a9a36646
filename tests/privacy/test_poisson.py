import numpy as np
import pytest

from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.tabular import VectorReader
from sensorium.privacy.sampling import PoissonEpochs


@pytest.fixture(scope="module")
def rows():
    table = read_table({"a": np.arange(600.0).reshape(200, 3)})
    reader = VectorReader("a")
    reader.fit([(cell,) for cell in table.cells("a")])
    return Rows(table, {"a": reader})


def test_each_row_comes_with_its_probability_whoever_else_does(rows):
    epochs = PoissonEpochs(rows, 0.1, 400)
    drawn = np.zeros((400, 200))
    for step, batch in enumerate(epochs):
        drawn[step, batch.rows.numpy()] = 1
        assert batch.inputs["a"].values.shape[0] == len(batch.rows) == len(set(batch.rows.tolist()))
    sizes = drawn.sum(1)
    # Of a sum of 200 chances of .1 each, over 400 steps: mean 20, variance 18; bounds of five standard errors.
    assert sizes.mean() == pytest.approx(20, abs=5 * np.sqrt(18 / 400))
    assert sizes.var() == pytest.approx(18, abs=5 * 18 * np.sqrt(2 / 400))
    assert drawn.mean(0).min() > 0.1 - 5 * np.sqrt(0.09 / 400)
    assert drawn.mean(0).max() < 0.1 + 5 * np.sqrt(0.09 / 400)
    pairs = np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]
    assert abs(pairs) < 5 / np.sqrt(400)


def test_no_seed_repeats_the_draws(rows):
    first, second = ([batch.rows.tolist() for batch in PoissonEpochs(rows, 0.3, 5)] for _ in range(2))
    assert first != second


def test_a_batch_of_nobody(rows):
    batches = list(PoissonEpochs(rows, 1e-9, 3))
    assert [len(batch.rows) for batch in batches] == [0, 0, 0]
    assert all(batch.inputs == {} for batch in batches)


def test_an_epoch_that_is_gone_on_with_has_the_batches_that_were_not_done(rows):
    epochs = PoissonEpochs(rows, 0.1, 7)
    begun = iter(epochs)
    for _ in range(3):
        next(begun)
    other = PoissonEpochs(rows, 0.1, 7)
    other.load_state_dict(epochs.state_dict())
    assert len(other) == 7
    assert len(list(other)) == 4
    assert len(list(other)) == 7
