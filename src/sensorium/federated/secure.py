"""Secure aggregation: the server learns the sum of the sites' updates and none of them alone.

Reference:
    Bell et al. 2020, Secure Single-Server Aggregation with (Poly)Logarithmic Overhead (SecAgg+), as Flower has it.
"""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.client.mod import secaggplus_mod as secure_mod
from flwr.common import Code, FitIns, FitRes, Status, bytes_to_ndarray, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage
from flwr.compat.common.recorddict_compat import fitres_to_recorddict, recorddict_to_fitres
from flwr.server import LegacyContext
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD
from flwr.server.workflow.constant import Key as WorkflowKey

from sensorium.federated.grid import SiteGrid
from sensorium.federated.wire import ARRAYS, CONFIG, METRICS, failed

__all__ = ["SecureSum", "as_update", "secure_mod", "secure_sum"]

FAULTS = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)  # of what fits nothing
RANGE = 8.0  # an update's numbers beyond are cut: Flower's own choice; they are told to 2^-19


def as_update(names: Sequence[str]) -> Callable[..., Message]:
    """A mod between `secure_mod` and a site's training: masked are updates, not weights, and those it trained alone.

    Args:
        names: of the weights, in order.
    """

    def mod(message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
        content = message.content
        given = list(content.array_records["fitins.parameters"].values())
        arrays = ArrayRecord({name: Array(array.numpy()) for name, array in zip(names, given, strict=True)})
        message.content = RecordDict({ARRAYS: arrays, CONFIG: content.config_records["fitins.config"]})
        reply = call_next(message, context)
        if reply.has_error():
            raise ValueError(reply.error.reason)
        metrics, learned = reply.content.metric_records[METRICS], reply.content.array_records[ARRAYS]
        updates = [learned[name].numpy() - arrays[name].numpy() for name in names]
        told = {"loss": float(metrics["loss"]), "trained": "".join(map(str, metrics["trained"]))}
        result = FitRes(Status(Code.OK, ""), ndarrays_to_parameters(updates), int(metrics["num-examples"]), told)
        return Message(fitres_to_recorddict(result, False), reply_to=message)

    return mod


class SecureSum:
    """What a round under secure aggregation came to.

    Args:
        mean: of the updates, each counting by its rows.
        rows: of each site that is in it.
        trained: of each site, the tensors that its rows changed.
        losses: of each site.
    """

    def __init__(self, mean: list[np.ndarray], rows: list[int], trained: list[list[int]], losses: list[float]):
        self.mean, self.rows, self.trained, self.losses = mean, rows, trained, losses


class _Asked:
    """In place of Flower's older strategy, which its workflow asks whom to ask, and tells what came of it."""

    def __init__(self, nodes: Sequence[int], config: ConfigRecord):
        self.nodes, self.config = nodes, config
        self.results: list[FitRes] = []

    def configure_fit(self, server_round: int, parameters: Any, client_manager: Any) -> list[tuple[Any, FitIns]]:
        return [(SimpleNamespace(node_id=node), FitIns(parameters, dict(self.config))) for node in self.nodes]

    def aggregate_fit(self, server_round: int, results: list[tuple[Any, FitRes]], failures: Any) -> tuple[None, dict]:
        self.results = [result for _, result in results]
        return None, {}

    def num_available(self) -> int:
        return len(self.nodes)


class _Checked(SiteGrid):
    """A grid whose masked answers can be added to each other's; others count as failed.

    Args:
        grid: of the sites.
        shapes: of the model's tensors.
        rows: that each site said it has.
    """

    def __init__(self, grid: SiteGrid, shapes: list[tuple[int, ...]], rows: Mapping[int, int]):
        super().__init__()
        self.grid, self.shapes, self.rows = grid, [(1,), *shapes], rows

    def there(self) -> dict[int, int]:
        return self.grid.there()

    def close(self) -> None:
        self.grid.close()

    def send_and_receive(self, messages: Any, *, timeout: float | None = None) -> list[Message]:
        asked = {message.metadata.dst_node_id: message for message in messages}
        return [self._looked(reply, asked) for reply in self.grid.send_and_receive(asked.values(), timeout=timeout)]

    def _looked(self, reply: Message, asked: dict[int, Message]) -> Message:
        node = reply.metadata.src_node_id
        given = asked[node].content.config_records[RECORD_KEY_CONFIGS]
        if reply.has_error() or given[Key.STAGE] != Stage.COLLECT_MASKED_VECTORS:
            return reply
        reason = self._fault(reply, self.rows[node])
        if reason is None:
            return reply
        self.grid.refuse(node, reason)
        return failed(asked[node], "refused")

    def _fault(self, reply: Message, rows: int) -> str | None:
        """What is wrong with a masked update, as far as it can be seen."""
        try:
            masked = reply.content.config_records[RECORD_KEY_CONFIGS][Key.MASKED_PARAMETERS]
            arrays = [bytes_to_ndarray(part) for part in masked]
            result = recorddict_to_fitres(reply.content, True)
            trained, loss = str(result.metrics["trained"]), float(result.metrics["loss"])
        except FAULTS:
            return "its masked update can't be read."
        if [array.shape for array in arrays] != self.shapes or any(array.dtype != np.int64 for array in arrays):
            return "its masked update has other shapes than the model."
        if result.num_examples != rows or len(trained) != len(self.shapes) - 1 or set(trained) - {"0", "1"}:
            return f"its masked update must count for the {rows} rows it has, and say which tensors it trained."
        return None if np.isfinite(loss) else "its loss is not finite."


def secure_sum(
    grid: SiteGrid,
    arrays: ArrayRecord,
    nodes: Sequence[int],
    config: ConfigRecord,
    rows: Mapping[int, int],
    timeout: float,
) -> SecureSum | None:
    """A round under secure aggregation; None where too few sites were left for the sum to be opened.

    Args:
        grid: of the sites.
        arrays: the weights that the round begins with.
        nodes: the sites that are asked.
        config: what they are told, with server-round.
        rows: of each site.
        timeout: s for each of the protocol's four steps.
    """
    number = ConfigRecord({WorkflowKey.CURRENT_ROUND: config["server-round"]})
    asked = _Asked(nodes, config)
    context = LegacyContext(
        Context(1, 0, {}, RecordDict({MAIN_PARAMS_RECORD: arrays, MAIN_CONFIGS_RECORD: number}), {}),
        strategy=asked,
        client_manager=asked,
    )
    # Two thirds must be there to open the sum, so that no third of the sites can open one without the others.
    most = float(max(rows[node] for node in nodes))
    workflow = SecAggPlusWorkflow(1.0, 0.67, max_weight=most, clipping_range=RANGE, timeout=timeout)
    try:
        workflow(_Checked(grid, [tuple(array.shape) for array in arrays.values()], rows), context)
    except FAULTS:  # of a site's keys or shares, which are none
        return None
    if not asked.results:
        return None
    results = asked.results
    return SecureSum(
        [np.asarray(part, dtype=np.float32) for part in parameters_to_ndarrays(results[0].parameters)],
        [result.num_examples for result in results],
        [[int(mark) for mark in str(result.metrics["trained"])] for result in results],
        [float(result.metrics["loss"]) for result in results],
    )
