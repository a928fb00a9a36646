"""What goes between server and sites: Flower's messages, as bytes, and JSON in them."""

import json
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.common.constant import ErrorCode
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as Proto
from google.protobuf.message import DecodeError

from sensorium.errors import DataError

__all__ = [
    "ARRAYS",
    "CONFIG",
    "METRICS",
    "SCORES",
    "Refusal",
    "asking",
    "failed",
    "from_bytes",
    "replying",
    "said",
    "to_bytes",
]

ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"  # the records of a message
SCORES = {"binary": "accuracy", "classification": "accuracy", "regression": "mae"}  # by task: what one row defines


class Refusal(DataError):
    """What a site may tell the server: it holds no cell of its rows."""


def to_bytes(message: Message) -> bytes:
    return message_to_proto(message).SerializeToString()


def from_bytes(data: bytes) -> Message:
    """The message in `data`; no code in it is run.

    Raises:
        Refusal: it is none.
    """
    try:
        return message_from_proto(Proto.FromString(data))
    except (DecodeError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise Refusal(f"{len(data)} bytes came that are no message of this protocol.") from error


def asking(node: int, kind: str, told: dict[str, Any], arrays: ArrayRecord | None = None) -> Message:
    """A message of the server to a site.

    Args:
        node: the site's number.
        kind: of the message, such as query.propose.
        told: what goes as JSON.
        arrays: weights.
    """
    content = RecordDict({CONFIG: ConfigRecord({"json": json.dumps(told)})})
    if arrays is not None:
        content[ARRAYS] = arrays
    return Message(content, dst_node_id=node, message_type=kind)


def replying(message: Message, told: dict[str, Any], **metrics: Any) -> Message:
    """A site's answer to `message`."""
    content = RecordDict({CONFIG: ConfigRecord({"json": json.dumps(told)})})
    if metrics:
        content[METRICS] = MetricRecord(metrics)
    return Message(content, reply_to=message)


def said(message: Message) -> dict[str, Any]:
    """The JSON that a message holds.

    Raises:
        Refusal: it holds none.
    """
    try:
        told = json.loads(message.content.config_records[CONFIG]["json"])
    except (LookupError, TypeError, ValueError) as error:
        raise Refusal("the message does not hold what was asked for.") from error
    if not isinstance(told, dict):
        raise Refusal("the message does not hold what was asked for.")
    return told


def failed(message: Message, reason: str) -> Message:
    """An answer that says why there is none."""
    return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason), reply_to=message)
