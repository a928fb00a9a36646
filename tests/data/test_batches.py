import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from sensorium.data.batches import EpochSampler, Rows
from sensorium.data.media_readers import ImageReader
from sensorium.data.problems import Problems
from sensorium.data.table import read_table
from sensorium.data.tabular import TabularReader, VectorReader
from sensorium.data.targets import fit_target
from sensorium.data.text import TextReader
from sensorium.errors import DataError
from sensorium.media.cache import open_cache
from sensorium.media.loader import MediaLoader

TABLE = read_table(
    {
        "age": ["1", "", "3", "4", "5"],
        "shop": ["a", "b", "", "a", "b"],
        "note": ["a rather long text, to be sure", "short", None, "", "words and words"],
        "pose": [[1, 2], [3, 4], None, "oops", [5, 7]],
        "photo": [np.full((4, 4, 3), 9 * i, dtype=np.uint8) if i != 2 else "gone.png" for i in range(5)],
        "label": ["x", "y", "", "x", "y"],
        "price": [1.0, 2.0, 3.0, None, 5.0],
    }
)


def rows(table=TABLE, targets=True, **options):
    readers = {
        "columns": TabularReader({"age": "numeric", "shop": "categorical"}),
        "note": TextReader("note"),
        "pose": VectorReader("pose"),
        "photo": ImageReader("photo", size=(4, 4)),
    }
    for reader in readers.values():
        reader.fit(list(zip(*[TABLE.cells(column) for column in reader.columns], strict=True)))
    coders = {
        "label": fit_target("label", TABLE.cells("label"), "classification"),
        "price": fit_target("price", TABLE.cells("price"), "regression"),
    }
    return Rows(table, readers, coders if targets else None, **options)


def test_a_batch_holds_what_is_there_and_its_masks():
    (batch,) = rows(TABLE.take([4, 2, 0])).batches(3)
    assert batch.rows.tolist() == [0, 1, 2]
    assert batch.inputs["columns"].mask.tolist() == [[True, True], [True, False], [True, True]]
    assert batch.inputs["note"].mask.any(1).tolist() == [True, False, True]
    assert batch.inputs["pose"].mask.tolist() == [True, False, True]
    assert batch.inputs["photo"].mask.tolist() == [True, False, True]
    assert batch.inputs["photo"].values[:, 0, 0, 0].tolist() == [36, 0, 0]
    values, mask = batch.targets["label"]
    assert mask.tolist() == [True, False, True]
    assert values[mask].tolist() == [1, 0]
    values, mask = batch.targets["price"]
    assert mask.all()
    # 1, 2, 3 and 5 have mean 2.75 and variance 2.1875.
    np.testing.assert_allclose(values, (np.array([5, 3, 1]) - 2.75) / 2.1875**0.5, rtol=1e-6)


@pytest.mark.parametrize("size", [2, 5, 99])
def test_a_row_alone_is_the_row_in_a_batch(size):
    alone_in_one = list(rows().batches(1))
    batches = list(rows().batches(size))
    assert torch.cat([batch.rows for batch in batches]).tolist() == [0, 1, 2, 3, 4]
    for batch in batches:
        for place, row in enumerate(batch.rows.tolist()):
            alone = alone_in_one[row]
            for name, (values, mask, _) in batch.inputs.items():
                one = alone.inputs[name]
                values, mask = values[place], mask[place]
                if name == "note":  # a batch of texts is as long as its longest
                    length = one.mask.shape[1]
                    assert not mask[length:].any()
                    values, mask = values[:length], mask[:length]
                assert torch.equal(values, one.values[0])
                assert torch.equal(mask, one.mask[0])
            for name, (values, mask) in batch.targets.items():
                assert torch.equal(values[place], alone.targets[name][0][0])
                assert torch.equal(mask[place], alone.targets[name][1][0])


def test_faults_are_noted_once_by_the_rows_number_in_the_file():
    problems = Problems()
    data = rows(TABLE.take([3, 2]), problems=problems)
    for _ in range(2):
        list(data.batches(1))
    assert [tuple(row) for row in problems.frame().to_numpy()] == [
        ("the table", 3, "photo", "broken", "cannot read gone.png as image: no such file"),
        ("the table", 4, "pose", "broken", "must be a vector of 2 numbers; got 'oops'"),
    ]
    with pytest.raises(
        DataError, match=r"the table row 3, column 'photo': cannot read gone\.png as image: no such file"
    ):
        list(rows(TABLE.take([2]), problems=Problems(strict=True)).batches(8))


def test_columns_that_a_table_lacks_count_as_missing():
    table = read_table({"age": ["1", "2"], "note": ["a", "b"]})
    (batch,) = rows(table, targets=False).batches(8)
    assert batch.targets == {}
    assert batch.inputs["columns"].mask.tolist() == [[True, False], [True, False]]
    assert not batch.inputs["photo"].mask.any()
    assert not batch.inputs["pose"].mask.any()
    assert batch.inputs["note"].mask.any(1).all()


def test_what_was_loaded_into_memory_is_not_read_again(tmp_path):
    for i in range(70):
        Image.new("L", (4, 4), i).save(tmp_path / f"{i}.png")
    table = read_table({"photo": [f"{i}.png" for i in range(70)]}, media_root=tmp_path)
    problems = Problems()
    data = Rows(table, {"photo": ImageReader("photo", size=(4, 4))}, problems=problems, memory=10**6)
    list(data.batches(16))
    for path in tmp_path.iterdir():
        path.unlink()
    levels = torch.cat([batch.inputs["photo"].values[:, 0, 0, 0] for batch in data.batches(16)])
    assert levels.tolist() == list(range(70))
    assert problems.lines() == []


def test_rows_travel_to_another_process(tmp_path, monkeypatch):
    for i in range(6):
        Image.fromarray(np.full((4, 4, 3), i, dtype=np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    cells = {"photo": [f"{i}.png" for i in range(6)], "label": list("aabbab")}
    coders = {"label": fit_target("label", cells["label"], "binary")}
    loader = MediaLoader(None, open_cache(tmp_path / "cache", 10**6))
    data = Rows(read_table(cells), {"photo": ImageReader("photo", size=(4, 4))}, coders, loader=loader, memory=10**6)
    data.known["photo"] = np.ones((6, 1, 2), np.float32), np.ones((6, 1), bool)
    sent, right = pickle.dumps(data), data.batch([4, 2, 1])
    monkeypatch.chdir("/")  # relative paths are those of where it came from
    there = pickle.loads(sent)
    found = there.batch([4, 2, 1])
    assert torch.equal(found.inputs["photo"].values, right.inputs["photo"].values)
    assert found.inputs["photo"].values[:, 0, 0, 0].tolist() == [4, 0, 1]
    assert found.inputs["photo"].mask.tolist() == [True, False, True]
    assert torch.equal(found.inputs["photo"].known.tokens, torch.ones(3, 1, 2))
    assert [part.tolist() for part in found.targets["label"]] == [part.tolist() for part in right.targets["label"]]
    assert there.problems.found == data.problems.found != set()
    assert there.loader.cache.size == 10**6


def test_an_epochs_order_depends_on_seed_and_epoch_alone():
    def orders(seed):
        sampler, found = EpochSampler(50, seed), []
        for epoch in range(3):
            sampler.set_epoch(epoch)
            found.append(sampler.order().tolist())
        return found

    first = orders(0)
    assert first == orders(0)
    resumed = EpochSampler(50, 0)
    resumed.set_epoch(2)
    assert resumed.order().tolist() == first[2]
    assert resumed.order().tolist() == first[2]
    assert len(resumed) == 50
    assert all(sorted(order) == list(range(50)) for order in first)
    assert len({tuple(order) for order in [*first, *orders(1)]}) == 6
    torch.manual_seed(5)
    assert orders(0) == first
