"""Secure aggregation: the sum is the plain one, and only the sum is there to be seen."""

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, RecordDict
from flwr.clientapp import ClientApp
from flwr.common import bytes_to_ndarray, ndarray_to_bytes
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS as CONFIGS
from flwr.common.secure_aggregation.secaggplus_constants import Key

from sensorium.federated.grid import LocalGrid
from sensorium.federated.library import need_flower
from sensorium.federated.secure import RANGE, as_update, secure_mod, secure_sum
from sensorium.federated.updates import as_record
from sensorium.federated.wire import ARRAYS, METRICS, failed, replying

BEFORE = {"a": np.zeros((40, 3), dtype=np.float32), "b": np.ones(7, dtype=np.float32)}


class Member:
    """A site with an update that is known; `dies` before its share of that step is given."""

    def __init__(self, seed, rows, dies=None, trained=(1, 1)):
        random = np.random.default_rng(seed)
        self.update = {name: random.normal(0, 0.02, value.shape) for name, value in BEFORE.items()}
        self.rows, self.dies, self.steps, self.sent, self.trained = rows, dies, 0, [], list(trained)
        self.context = Context(1, 0, {}, RecordDict(), {})
        self.app = ClientApp()
        self.app.train(mods=[secure_mod, as_update(list(BEFORE))])(self.train)

    def train(self, message, context):
        given = {name: array.numpy() for name, array in message.content.array_records[ARRAYS].items()}
        reply = replying(message, {}, **{"num-examples": self.rows, "loss": float(self.rows), "trained": self.trained})
        reply.content[ARRAYS] = as_record({n: (v + self.update[n]).astype(np.float32) for n, v in given.items()})
        assert set(reply.content.metric_records[METRICS]) == {"num-examples", "loss", "trained"}
        return reply

    def __call__(self, message):
        self.steps += 1
        if self.dies is not None and self.steps >= self.dies:
            return failed(message, "it has gone.")
        try:
            reply = self.app(message, self.context)
        except ValueError as error:
            return failed(message, str(error))
        self.sent.append(reply)
        return reply


def summed(members):
    need_flower()
    grid = LocalGrid(members)
    config = ConfigRecord({"server-round": 1})
    rows = {node: members[name].rows for node, name in grid.names.items()}
    return secure_sum(grid, as_record(BEFORE), list(grid.names), config, rows, 60.0), grid


def check(found, members):
    rows = sum(member.rows for member in members)
    # A number is told to a part of the range, once a site; it is scaled up again by the shares of the rows.
    step = 2 * RANGE / 2**22 * len(members) * max(member.rows for member in members) / rows
    for part, name in zip(found.mean, BEFORE, strict=True):
        plain = sum(member.rows * member.update[name] for member in members) / rows
        np.testing.assert_allclose(part, plain, atol=2 * step)
        assert np.abs(plain).max() > 1000 * step  # so that it could have failed


def test_the_sum_is_the_plain_sum():
    members = {f"s{i}": Member(i, rows) for i, rows in enumerate((10, 25, 40, 3))}
    found, _ = summed(members)
    check(found, list(members.values()))
    assert sorted(found.rows) == [3, 10, 25, 40]
    assert sorted(found.losses) == [3.0, 10.0, 25.0, 40.0]


def test_one_that_goes_before_its_update_is_left_out_of_the_sum():
    members = {f"s{i}": Member(i, 10) for i in range(4)} | {"gone": Member(9, 10, dies=3)}
    found, _ = summed(members)
    check(found, [member for name, member in members.items() if name != "gone"])


def test_a_sum_of_too_few_is_not_opened():
    members = {f"s{i}": Member(i, 10, dies=3 if i < 2 else None) for i in range(4)}
    assert summed(members)[0] is None


def test_what_a_site_sends_tells_nothing_of_its_update():
    members = {f"s{i}": Member(i, 10) for i in range(3)}
    summed(members)
    member = members["s0"]
    (masked,) = [r for r in member.sent if Key.MASKED_PARAMETERS in r.content.config_records[CONFIGS]]
    assert all(not len(record) for record in masked.content.array_records.values())
    sent = bytes_to_ndarray(masked.content.config_records[CONFIGS][Key.MASKED_PARAMETERS][1])
    assert abs(np.corrcoef(sent.ravel(), member.update["a"].ravel())[0, 1]) < 0.35
    assert sent.std() == pytest.approx(2**32 / np.sqrt(12), rel=0.2)  # even over the whole range


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda c: c[CONFIGS].update({Key.MASKED_PARAMETERS: [ndarray_to_bytes(np.zeros(3, dtype=np.int64))]}),
            "shapes",
        ),
        (lambda c: c[CONFIGS].update({Key.MASKED_PARAMETERS: [b"nothing"]}), "can't be read"),
        (lambda c: c["fitres.num_examples"].update({"num_examples": 10**9}), "must count for the 10 rows it has"),
        (lambda c: c["fitres.metrics"].update({"trained": "1"}), "say which tensors it trained"),
        (lambda c: c["fitres.metrics"].update({"loss": float("nan")}), "not finite"),
    ],
)
def test_a_masked_update_that_is_none_is_refused(spoil, words):
    class Wrong(Member):
        def __call__(self, message):
            reply = super().__call__(message)
            if Key.MASKED_PARAMETERS in reply.content[CONFIGS]:
                spoil(reply.content)
            return reply

    members = {f"s{i}": Member(i, 10) for i in range(4)} | {"wrong": Wrong(9, 10)}
    found, grid = summed(members)
    check(found, [member for name, member in members.items() if name != "wrong"])
    assert [name for name, _ in grid.refused] == ["wrong"]
    assert words in grid.refused[0][1]


def test_keys_that_are_none_end_the_round_alone():
    class Wrong(Member):
        def __call__(self, message):
            reply = super().__call__(message)
            reply.content[CONFIGS].pop(Key.PUBLIC_KEY_1, None)
            return reply

    assert summed({f"s{i}": Member(i, 10) for i in range(3)} | {"wrong": Wrong(9, 10)})[0] is None
