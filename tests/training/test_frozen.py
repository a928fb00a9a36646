"""What frozen encoders say is computed once, kept by content, and the same as when the whole model is asked."""

import numpy as np
import pytest
import torch
from descriptors import TinyBody

from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.text import TextReader
from sensorium.encoders import Pretrained, TextBag
from sensorium.fusion import Gated
from sensorium.heads import Binary
from sensorium.media.cache import MediaCache
from sensorium.model import MultimodalModel
from sensorium.training.frozen import fingerprint, remember

TEXTS = ["red circle", "blue", None, "small red square on a large blue one", "red circle"]


class Source:
    def to_json(self):
        return {"name": "tiny"}


def made(pooling="tokens", seed=0):
    torch.manual_seed(seed)
    body = TinyBody("text")
    body.source = Source()
    encoder = Pretrained(body, 16, pooling=pooling)
    model = MultimodalModel({"note": encoder, "other": TextBag(300, 16)}, Gated(16), {"y": Binary(16)})
    table = read_table({"note": TEXTS, "other": TEXTS})
    readers = {}
    for name in ("note", "other"):
        readers[name] = TextReader(name, vocabulary=300)
        readers[name].fit(table.rows((name,)))
    return model.eval(), Rows(table, readers)


@pytest.fixture
def counted(monkeypatch):
    """How many rows the body has read."""
    seen = []
    forward = TinyBody.forward

    def counting(self, values, mask, every=False):
        seen.append(len(values))
        return forward(self, values.clamp(max=29), mask, every)

    monkeypatch.setattr(TinyBody, "forward", counting)
    return seen


@pytest.mark.parametrize("pooling", ["tokens", "mean"])
@torch.no_grad()
def test_the_answers_are_those_of_the_whole_model(counted, pooling):
    model, rows = made(pooling)
    whole = model(rows.batch(range(5)).inputs)["y"]
    remember(model, [rows])
    assert set(rows.known) == {"note"}
    counted.clear()
    inputs = rows.batch(range(5)).inputs
    torch.testing.assert_close(model(inputs)["y"], whole)
    assert counted == []
    assert inputs["note"].known.mask.any(1).tolist() == [True, True, False, True, True]
    assert inputs["other"].known is None


@torch.no_grad()
def test_any_order_of_rows_gives_their_own(counted):
    model, rows = made()
    remember(model, [rows])
    order = [3, 2, 0]
    alone = [model(rows.batch([place]).inputs)["y"] for place in order]
    torch.testing.assert_close(model(rows.batch(order).inputs)["y"], torch.cat(alone))


def test_the_cache_knows_content_and_weights(counted, tmp_path):
    cache = MediaCache(tmp_path, 10**8)
    model, rows = made()
    remember(model, [rows], cache)
    assert sum(counted) == 4  # rows with a text
    counted.clear()
    _, again = made()
    said = []
    remember(model, [again], cache, said.append)
    assert counted == []
    assert "(4 of them known before)" in said[0]
    np.testing.assert_array_equal(again.known["note"][0], rows.known["note"][0])
    other, more = made(seed=1)
    remember(other, [more], cache)
    assert sum(counted) == 4
    cache.close()


def test_the_fingerprint_changes_with_all_that_the_features_depend_on():
    model, _ = made()
    encoder = model.encoder("note")
    first = fingerprint(encoder)
    assert fingerprint(encoder) == first
    with torch.no_grad():
        encoder.linear.weight.add_(1)  # learned on top
    assert fingerprint(encoder) == first
    with torch.no_grad():
        encoder.body.blocks[0].bias[0] += 1e-3
    assert fingerprint(encoder) != first
    assert fingerprint(made("mean")[0].encoder("note")) != first


@torch.no_grad()
def test_a_hidden_input_is_hidden_in_what_is_known(counted):
    model, rows = made()
    remember(model, [rows])
    inputs = rows.batch(range(5)).inputs
    hidden = model.drop(inputs, ["other"])
    assert not hidden["note"].known.mask.any()
    torch.testing.assert_close(model(hidden)["y"], model({"other": inputs["other"]})["y"])
