"""What a site's update must be to be averaged with the others', and how far each of its tensors counts."""

import io
from collections.abc import Collection, Sequence

import numpy as np
from flwr.app import Array, ArrayRecord, Message

from sensorium.federated.wire import ARRAYS, METRICS, Refusal

__all__ = ["MANY_TIMES", "Update", "as_record", "read_update", "too_large", "weighed"]

MANY_TIMES = 10.0  # the median norm of a round's updates: beyond it an update is refused
# Likewise of running statistics, whose size is that of the inputs: sites that lack one have far smaller ones.
STATISTICS, MANY_STATISTICS = ("running_mean", "running_var"), 1000.0
HEADER = 4096  # bytes of an array beside its numbers, at most

State = dict[str, np.ndarray]


class Update:
    """A site's answer to a round, read and checked.

    Args:
        node: the site.
        rows: that it counts by.
        loss: its mean.
        state: the weights that it came to, by name.
        trained: of each, whether its rows changed it.
        norm: of the difference from the weights it was given.
        shift: likewise, of the running statistics.
    """

    def __init__(
        self, node: int, rows: int, loss: float, state: State, trained: list[int], norm: float, shift: float = 0.0
    ):
        self.node, self.rows, self.loss, self.state, self.trained = node, rows, loss, state, trained
        self.norm, self.shift = norm, shift


def read_update(reply: Message, before: State, rows: int) -> Update:
    """The update in a site's reply.

    Args:
        reply: of the site.
        before: the weights that it was given.
        rows: that it said it has.

    Raises:
        Refusal: other tensors, shapes or types than the model's, numbers that are not finite, counts that can't be.
    """
    try:
        arrays, metrics = reply.content.array_records[ARRAYS], reply.content.metric_records[METRICS]
        count, loss, trained = metrics["num-examples"], metrics["loss"], metrics["trained"]
    except (KeyError, ValueError) as error:
        raise Refusal("its answer holds no weights, or not what belongs to them.") from error
    if set(arrays) != set(before):
        wrong = sorted(set(arrays) ^ set(before))[0]
        raise Refusal(
            f"its update has other tensors than the model ({len(arrays)}, not {len(before)}), such as '{wrong}'."
        )
    state = {name: _read(name, arrays[name], like) for name, like in before.items()}
    if count != rows or isinstance(loss, list) or not np.isfinite(loss):
        raise Refusal(
            f"its update must count for the {rows} rows it has, with a finite loss; got {count!r} and {loss!r:.20}."
        )
    if not isinstance(trained, list) or len(trained) != len(before) or not set(trained) <= {0, 1}:
        raise Refusal("its update does not say which tensors it trained.")
    for name, value in state.items():
        if name.endswith("running_var") and (value < 0).any():
            raise Refusal(f"its tensor '{name}' holds a variance below 0.")
    learned = {name for name in before if not name.endswith(STATISTICS)}
    norm, shift = _norm(state, before, learned), _norm(state, before, set(before) - learned)
    return Update(reply.metadata.src_node_id, count, float(loss), state, list(trained), norm, shift)


def _norm(state: State, before: State, names: Collection[str]) -> float:
    """Of what changed in these tensors."""
    return float(np.sqrt(sum(np.square(state[name] - before[name], dtype=np.float64).sum() for name in names)))


def _read(name: str, array: Array, like: np.ndarray) -> np.ndarray:
    """An array whose header is looked at before memory is asked for."""
    if len(array.data) > like.nbytes + HEADER:
        raise Refusal(f"its tensor '{name}' has {len(array.data)} bytes; {like.nbytes} were expected.")
    try:
        head = io.BytesIO(array.data)
        version = np.lib.format.read_magic(head)
        shape, _, kind = np.lib.format.read_array_header_1_0(head) if version == (1, 0) else (None, None, None)
        if shape != like.shape or kind != like.dtype:
            raise Refusal(
                f"its tensor '{name}' must be {like.dtype} of shape {like.shape}; got {kind} of shape {shape}."
            )
        value = array.numpy()
    except (OSError, TypeError, ValueError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal(f"its tensor '{name}' can't be read.") from error
    if not np.isfinite(value).all():
        raise Refusal(f"its tensor '{name}' holds numbers that are not finite.")
    return value


def too_large(updates: Sequence[Update], most: float | None) -> dict[int, str]:
    """The reason for each site whose update is too large, by number.

    Args:
        updates: of a round.
        most: norm; None: `MANY_TIMES` the median.
    """
    if not updates:
        return {}
    median = float(np.median([update.norm for update in updates]))
    limit, words = (
        (MANY_TIMES * median, f"{MANY_TIMES:g} times the round's median") if most is None else (most, "max_norm")
    )
    found = {
        u.node: f"its update has the norm {u.norm:.3g}; {limit:.3g} ({words}) at most is taken."
        for u in updates
        if u.norm > limit
    }
    moved = [update.shift for update in updates if update.shift]  # others lack the inputs that have such
    usual = MANY_STATISTICS * float(np.median(moved or [0.0]))
    far = {u.node: f"its running statistics moved by {u.shift:.3g}; {usual:.3g} at most is taken." for u in updates}
    return {u.node: far[u.node] for u in updates if u.shift > usual} | found


def weighed(
    states: Sequence[State], before: State, rows: Sequence[int], trained: Sequence[Sequence[int]]
) -> list[State]:
    """Weights whose mean by rows is, of each tensor, the mean of those sites alone that trained it.

    A site whose rows lack an input sends its encoder back as it came; averaged in, it would hold the others back.

    Args:
        states: of each site.
        before: the weights that they began with.
        rows: of each site.
        trained: of each site and tensor, whether it did.
    """
    marks, counts = np.asarray(trained, dtype=float), np.asarray(rows, dtype=float)
    there = counts @ marks  # (tensors,): rows of the sites that trained it
    factors = counts.sum() / np.maximum(there, 1e-12)
    return [
        {
            name: like + np.float32(factor * mark) * (state[name] - like)
            for (name, like), factor, mark in zip(before.items(), factors, mine, strict=True)
        }
        for state, mine in zip(states, marks, strict=True)
    ]


def as_record(state: State) -> ArrayRecord:
    return ArrayRecord({name: Array(np.ascontiguousarray(value)) for name, value in state.items()})
