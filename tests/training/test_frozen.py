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
        return forward(self, values % 30, mask, every)

    monkeypatch.setattr(TinyBody, "forward", counting)
    return seen


@pytest.mark.parametrize("pooling", ["tokens", "mean"])
@torch.no_grad()
def test_the_answers_are_those_of_the_whole_model(counted, pooling):
    model, rows = made(pooling)
    whole = model(rows.batch(range(5)).inputs)["y"]
    remember(model, [rows], precision="32")
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
    remember(model, [rows], cache, precision="32")
    assert sum(counted) == 4  # rows with a text
    counted.clear()
    _, again = made()
    said = []
    remember(model, [again], cache, said.append, "32")
    assert counted == []
    assert "(4 of them known before)" in said[0]
    np.testing.assert_array_equal(again.known["note"][0], rows.known["note"][0])
    other, more = made(seed=1)
    remember(other, [more], cache, precision="32")
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
    assert fingerprint(made()[0].encoder("note"), "bf16") != fingerprint(made()[0].encoder("note"))


@torch.no_grad()
def test_a_hidden_input_is_hidden_in_what_is_known(counted):
    model, rows = made()
    remember(model, [rows])
    inputs = rows.batch(range(5)).inputs
    hidden = model.drop(inputs, ["other"])
    assert not hidden["note"].known.mask.any()
    torch.testing.assert_close(model(hidden)["y"], model({"other": inputs["other"]})["y"])


@pytest.mark.parametrize("pooling", ["tokens", "mean"])
@torch.no_grad()
def test_in_bf16_the_answers_are_nearly_those_of_32_bits(counted, pooling):
    model, rows = made(pooling)
    remember(model, [rows], precision="32")
    exact, mask = rows.known["note"]
    said = []
    remember(model, [rows], say=said.append, precision="bf16")
    rounded, same = rows.known["note"]
    assert "in bf16" in said[0]
    assert rounded.dtype == np.float32
    np.testing.assert_array_equal(same, mask)
    change = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    assert 1e-5 < change < 0.01  # it was computed in bf16, of which a rounding is 2 ** -9 at most
    inputs = rows.batch(range(5)).inputs
    plain = {name: given._replace(known=None) for name, given in inputs.items()}  # as at prediction
    torch.testing.assert_close(model(inputs)["y"], model(plain)["y"], atol=0.01, rtol=0)


def test_the_cache_tells_bf16_from_32_bits_and_remembers_how_much_they_differ(counted, tmp_path):
    cache = MediaCache(tmp_path, 10**8)
    model, rows = made()
    found = {}
    for precision, read in (("32", 4), ("bf16", 3 * 4), ("32", 0), ("bf16", 0)):  # once more each to compare the two
        counted.clear()
        remember(model, [rows], cache, precision=precision)
        assert sum(counted) == read
        tokens = rows.known["note"][0]
        np.testing.assert_array_equal(found.setdefault(precision, tokens), tokens)
    assert not np.array_equal(found["32"], found["bf16"])
    cache.close()


@pytest.mark.parametrize(("has", "near"), [(True, True), (True, False), (False, True)])
def test_auto_is_bf16_where_the_processor_has_it_and_it_changes_little(counted, monkeypatch, has, near):
    monkeypatch.setattr("sensorium.training.frozen.processor_has_bf16", lambda: has)
    model, rows = made()
    if not near:
        with torch.no_grad():
            model.encoder("note").body.blocks[0].weight.mul_(1000)  # an error grows by as much
    said = []
    remember(model, [rows], say=said.append)
    assert ("in bf16" in said[0]) == (has and near)
    known = rows.known["note"][0]
    remember(model, [rows], precision="32")
    assert np.array_equal(known, rows.known["note"][0]) == (not (has and near))


def test_nothing_to_read_is_no_reason_for_bf16():
    model, rows = made()
    rows = Rows(read_table({"note": [None, None], "other": ["red", "blue"]}), rows.readers)
    remember(model, [rows], precision="bf16")
    assert not rows.known["note"][1].any()
