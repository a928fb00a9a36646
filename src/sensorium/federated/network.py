"""Sites over a network: gRPC, encrypted, with certificates on both sides.

Each site opens one stream to the server, on which questions come and answers go; sites need no open port. A site whose
stream ends is gone, and its questions with it; it may come again.
"""

import hashlib
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import grpc
from flwr.app import Message

from sensorium.errors import ConfigError, TrainingError
from sensorium.federated.certificates import Credentials
from sensorium.federated.grid import SiteGrid
from sensorium.federated.wire import Refusal, failed, from_bytes, to_bytes
from sensorium.predictor import Say

__all__ = ["NetworkGrid", "take_part"]

SERVICE, METHOD = "sensorium.Federation", "Join"
VERSION, NAME = "sensorium-version", "sensorium-site"  # keys of what a site says when it comes
PROTOCOL = "1"
ID = 16  # bytes before a message, which its answer begins with, too
MOST_SITES = 100
RETRY = 2.0  # s between two tries to reach the server
# Without traffic, either side asks after the other every 20 s: a line that was cut is seen.
ALIVE = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
]


def _sizes(most: int) -> list[tuple[str, int]]:
    return [("grpc.max_receive_message_length", most), ("grpc.max_send_message_length", -1)]


class _Line:
    """The stream of a site."""

    def __init__(self, number: int):
        self.number, self.frames = number, queue.Queue()


class NetworkGrid(SiteGrid):
    """The sites that have come to this server.

    Args:
        address: host:port to listen at; port 0 takes a free one, see `port`.
        credentials: of the server; None: anybody may come, and read what passes.
        most: bytes of a message.
        say: called with lines of text.

    Raises:
        ConfigError: it can't listen there.
    """

    def __init__(self, address: str, credentials: Credentials | None, most: int, say: Say = lambda _: None):
        super().__init__()
        self.say, self.named = say, credentials is not None
        self.lines: dict[int, _Line] = {}
        self.answers: dict[bytes, Message | None] = {}  # None: it is waited for
        self.asked: dict[bytes, Message] = {}
        self.numbers = count(1)
        self.changed = threading.Condition()
        self.server = grpc.server(
            ThreadPoolExecutor(MOST_SITES),
            options=[*ALIVE, *_sizes(most), ("grpc.so_reuseport", 0)],
            maximum_concurrent_rpcs=MOST_SITES,
        )
        handler = grpc.stream_stream_rpc_method_handler(self._join)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
        try:
            if credentials is None:
                self.port = self.server.add_insecure_port(address)
            else:
                self.port = self.server.add_secure_port(address, credentials.of_server())
        except RuntimeError as error:
            raise ConfigError(
                f"can't listen at {address}: {error}. Take another --listen, such as 0.0.0.0:8700."
            ) from error
        self.server.start()

    def there(self) -> dict[int, int]:
        with self.changed:
            return {node: line.number for node, line in self.lines.items()}

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        waited: list[bytes] = []
        with self.changed:
            for message in messages:
                line = self.lines.get(message.metadata.dst_node_id)
                if line is None:
                    continue
                key, data = uuid.uuid4().bytes, to_bytes(message)
                self.asked[key], self.answers[key] = message, None
                line.frames.put(key + data)
                self.sent += len(data)
                waited.append(key)
            self.changed.wait_for(lambda: all(self.answers[key] is not None for key in waited), timeout)
            replies = []
            for key in waited:
                reply, message = self.answers.pop(key), self.asked.pop(key)
                if reply is None:
                    self.refuse(message.metadata.dst_node_id, f"it did not answer in {timeout:g} s.")
                else:
                    replies.append(reply)
            return replies

    def close(self) -> None:
        with self.changed:
            for line in self.lines.values():
                line.frames.put(b"")  # all is done
        self.server.stop(5.0).wait()

    def _join(self, frames: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """A site's stream: it lasts as long as the site is there."""
        told = dict(context.invocation_metadata())
        if told.get(VERSION) != PROTOCOL:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, f"this server speaks protocol {PROTOCOL}; install its version."
            )
        name = self._name(told, context)
        node = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]) + 2  # the same when it comes again
        line = _Line(next(self.numbers))
        with self.changed:
            if (old := self.lines.get(node)) is not None:  # it came again before its old stream was seen to end
                old.frames.put(None)
                self._gone(node, old)
            self.names[node], self.lines[node] = name, line
            self.changed.notify_all()
        self.say(f"site '{name}' has come.")
        context.add_callback(lambda: line.frames.put(None))
        threading.Thread(target=self._hear, args=(node, line, frames), daemon=True).start()
        while (frame := line.frames.get()) is not None:
            yield frame
            if not frame:
                break
        with self.changed:
            if self.lines.get(node) is line:
                self._gone(node, line)
                self.say(f"site '{name}' has gone.")

    def _name(self, told: dict[str, Any], context: grpc.ServicerContext) -> str:
        """Who it is: what its certificate says."""
        if not self.named:
            return str(told.get(NAME, context.peer()))
        names = context.auth_context().get("x509_common_name") or []
        if not names:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the certificate names nobody.")
        return names[0].decode()

    def _hear(self, node: int, line: _Line, frames: Iterator[bytes]) -> None:
        try:
            for frame in frames:
                self._answer(node, frame)
        except grpc.RpcError:  # the stream ended, with an error or without
            pass
        line.frames.put(None)

    def _answer(self, node: int, frame: bytes) -> None:
        key, data = frame[:ID], frame[ID:]
        with self.changed:
            asked = self.asked.get(key)
            if asked is None or asked.metadata.dst_node_id != node:
                return  # it is late, or none of this site's questions
            self.received += len(data)
        try:
            reply = from_bytes(data)
            if reply.metadata.src_node_id != node:
                raise Refusal("its answer says that another site sent it.")
        except Refusal as refusal:
            reply = failed(asked, str(refusal))
        with self.changed:
            if key in self.asked:
                self.answers[key] = reply
                self.changed.notify_all()

    def _gone(self, node: int, line: _Line) -> None:
        """What a site was asked gets no answer any more."""
        del self.lines[node]
        for key, message in self.asked.items():
            if message.metadata.dst_node_id == node and self.answers[key] is None:
                self.answers[key] = failed(message, "it has gone.")
        self.changed.notify_all()


def take_part(
    address: str,
    credentials: Credentials | None,
    site: Callable[[Message], Message],
    name: str,
    most: int,
    patience: float = 600.0,
    say: Say = lambda _: None,
) -> None:
    """Answer the server's questions until it says that all is done; come again when the line is cut.

    Args:
        address: host:port of the server.
        credentials: of the site; None: without encryption.
        site: what answers.
        name: of the site, where it has no credentials that say it.
        most: bytes of a message.
        patience: s that the server may be away.
        say: called with lines of text.

    Raises:
        ConfigError: the server takes none such as this.
        TrainingError: it was away for too long, or a message was too large.
    """
    options = [*ALIVE, *_sizes(most)]
    channel = (
        grpc.insecure_channel(address, options)
        if credentials is None
        else grpc.secure_channel(address, credentials.of_site(), options)
    )
    last = time.monotonic()
    with channel:
        join = channel.stream_stream(f"/{SERVICE}/{METHOD}")
        while True:
            answers: queue.Queue[bytes | None] = queue.Queue()
            call = join(iter(answers.get, None), metadata=((VERSION, PROTOCOL), (NAME, name)))
            try:
                for frame in call:
                    last = time.monotonic()
                    if not frame:
                        answers.put(None)
                        return
                    answers.put(frame[:ID] + to_bytes(site(from_bytes(frame[ID:]))))
                    last = time.monotonic()
                reason = "the server ended the line"
            except grpc.RpcError as error:
                reason = _reason(error)
            answers.put(None)
            if time.monotonic() - last > patience:
                raise TrainingError(f"the server at {address} has been away for {patience:g} s: {reason}.")
            say(f"{name}: no line to {address} ({reason}); trying again.")
            time.sleep(RETRY)


def _reason(error: Any) -> str:
    """Why a line was cut, where it is worth trying again.

    Raises:
        ConfigError, TrainingError: where it is not.
    """
    code, details = error.code(), error.details() or ""
    if code in {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
    }:
        raise ConfigError(f"the server does not take this site: {details}") from error
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED and "larger" in details:
        raise TrainingError(
            f"a message is larger than may be ({details}). Raise --max-message on both sides."
        ) from error
    return details.splitlines()[0][:200] if details else code.name
