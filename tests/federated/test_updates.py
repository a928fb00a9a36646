"""What is not averaged."""

import io

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict

from sensorium.federated.library import need_flower
from sensorium.federated.updates import Update, as_record, read_update, too_large, weighed
from sensorium.federated.wire import ARRAYS, METRICS, Refusal

BEFORE = {"a": np.zeros((2, 3), dtype=np.float32), "b": np.ones(4, dtype=np.float32)}
GOOD = {"num-examples": 7, "loss": 0.5, "trained": [1, 0]}


def reply(state=None, record=None, **metrics):
    need_flower()
    content = RecordDict(
        {ARRAYS: record or as_record(BEFORE | (state or {})), METRICS: MetricRecord({**GOOD, **metrics})}
    )
    return Message(content, reply_to=Message(RecordDict(), dst_node_id=5, message_type="train"))


def test_an_update_is_read():
    update = read_update(reply({"a": np.full((2, 3), 2.0, dtype=np.float32)}), BEFORE, 7)
    assert (update.node, update.rows, update.loss, update.trained) == (5, 7, 0.5, [1, 0])
    assert update.norm == pytest.approx(np.sqrt(6 * 4.0))


def _bomb() -> Array:
    """An array whose header asks for a terabyte."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (2**38,)})
    return Array("float32", (4,), "numpy.ndarray", head.getvalue())


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"state": {"b": np.array([1, 1, np.nan, 1], dtype=np.float32)}}, "tensor 'b' holds numbers that are not finite"),
        ({"state": {"b": np.array([1, 1, np.inf, 1], dtype=np.float32)}}, "tensor 'b' holds numbers that are not finite"),
        ({"state": {"b": np.ones(5, dtype=np.float32)}}, r"'b' must be float32 of shape \(4,\); got float32 of shape \(5,\)"),
        ({"state": {"b": np.ones(4)}}, r"'b' must be float32 of shape \(4,\); got float64"),
        ({"state": {"b": np.ones(4000, dtype=np.float32)}}, "tensor 'b' has 16128 bytes; 16 were expected"),
        ({"state": {"c": np.ones(4, dtype=np.float32)}}, r"other tensors than the model \(3, not 2\), such as 'c'"),
        ({"record": ArrayRecord({"a": Array(BEFORE["a"]), "b": _bomb()})}, r"'b' must be .* got float32 of shape \(274877906944,\)"),
        ({"record": ArrayRecord({"a": Array(BEFORE["a"]), "b": Array("float32", (4,), "numpy.ndarray", b"no")})}, "can't be read"),
        ({"num-examples": 10**9}, "must count for the 7 rows it has, with a finite loss; got 1000000000 and 0.5"),
        ({"loss": float("nan")}, "got 7 and nan"),
        ({"trained": [1]}, "does not say which tensors it trained"),
        ({"trained": [1, 3]}, "does not say which tensors it trained"),
    ],
)  # fmt: skip
def test_an_update_that_is_none_is_refused(spoilt, words):
    with pytest.raises(Refusal, match=words):
        read_update(reply(**spoilt), BEFORE, 7)


def test_an_answer_without_weights_is_refused():
    need_flower()
    asked = Message(RecordDict(), dst_node_id=5, message_type="train")
    with pytest.raises(Refusal, match="holds no weights"):
        read_update(Message(RecordDict(), reply_to=asked), BEFORE, 7)


def test_one_that_is_far_larger_than_the_others_is_refused():
    updates = [Update(node, 1, 0.1, {}, [], norm) for node, norm in ((2, 1.0), (3, 1.2), (4, 11.0))]
    assert too_large(updates, None) == {}
    updates[2].norm = 13.0
    assert too_large(updates, None) == {
        4: "its update has the norm 13; 12 (10 times the round's median) at most is taken."
    }
    assert set(too_large(updates, 1.1)) == {3, 4}
    assert too_large([], None) == {}


def test_running_statistics_are_measured_apart():
    updates = [Update(node, 1, 0.1, {}, [], 1.0, shift) for node, shift in ((2, 0.5), (3, 0.5), (4, 400.0))]
    assert too_large(updates, 2.0) == {}  # sites without an input move fewer of them
    updates[0].shift = updates[1].shift = 0.0
    assert too_large(updates, 2.0) == {}  # alone, it is the median
    updates[0].shift, updates[1].shift, updates[2].shift = 0.5, 0.5, 600.0
    assert too_large(updates, None) == {4: "its running statistics moved by 600; 500 at most is taken."}
    before = {"w": np.zeros(2, dtype=np.float32), "n.running_var": np.ones(2, dtype=np.float32)}
    given = {"num-examples": 7, "loss": 0.5, "trained": [1, 1]}

    def answer(variance):
        state = {"w": np.full(2, 3.0, dtype=np.float32), "n.running_var": np.full(2, variance, dtype=np.float32)}
        return reply(record=as_record(state), **given)

    update = read_update(answer(5.0), before, 7)
    assert (update.norm, update.shift) == pytest.approx((np.sqrt(18), np.sqrt(32)))
    with pytest.raises(Refusal, match=r"tensor 'n.running_var' holds a variance below 0"):
        read_update(answer(-5.0), before, 7)


def test_each_tensor_is_the_mean_of_those_who_trained_it():
    states = [
        {"a": np.full((2, 3), value, dtype=np.float32), "b": np.full(4, value, dtype=np.float32)} for value in (3, 5, 9)
    ]
    states[1]["b"] = BEFORE["b"].copy()
    rows, trained = [1, 2, 1], [[1, 1], [1, 0], [1, 1]]
    made = weighed(states, BEFORE, rows, trained)
    mean = {name: sum(state[name] * count for state, count in zip(made, rows, strict=True)) / 4 for name in BEFORE}
    np.testing.assert_allclose(mean["a"], (3 + 2 * 5 + 9) / 4, rtol=1e-6)
    np.testing.assert_allclose(mean["b"], (3 + 9) / 2, rtol=1e-6)  # without the one that did not train it
