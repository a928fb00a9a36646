"""Sites that messages go to and come from, with what passes counted; and sites in one process."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from flwr.app import Message

from sensorium.federated.wire import from_bytes, to_bytes

__all__ = ["LocalGrid", "SiteGrid"]


class SiteGrid(ABC):
    """What Flower's strategies and workflows ask of its `Grid`, and what a federation's server needs beside.

    Attributes:
        names: of the sites, by number.
        taking: the sites that the next messages of a strategy may go to.
        sent, received: bytes.
        refused: what was not accepted, by site, each with its reason.
    """

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.taking: list[int] = []
        self.sent = self.received = 0
        self.refused: list[tuple[str, str]] = []

    @abstractmethod
    def there(self) -> dict[int, int]:
        """The sites that are there now, and the number of their connection: a new one is a site that begins anew."""

    def refuse(self, node: int, reason: str) -> None:
        self.refused.append((self.names.get(node, str(node)), reason))

    def get_node_ids(self) -> list[int]:
        return list(self.taking)

    @abstractmethod
    def close(self) -> None:
        """Tell the sites that all is done."""

    @abstractmethod
    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """The sites' answers to these messages; of a site that is gone, or slower than `timeout` (s), there is none."""


class LocalGrid(SiteGrid):
    """Sites in this process, one after the other: a simulation, with the messages that would go over a network.

    Args:
        sites: what answers a message, by name.
        away: for a round, the names of sites that are not there; it is called with the round that messages are of.
    """

    def __init__(self, sites: dict[str, Callable[[Message], Message]], away: Callable[[], set[str]] = set):
        super().__init__()
        self.names = {number: name for number, name in enumerate(sites, 2)}
        self.sites, self.away = dict(sites), away

    def there(self) -> dict[int, int]:
        away = self.away()
        return {node: 0 for node, name in self.names.items() if name not in away}

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        replies = []
        for message in messages:
            node = message.metadata.dst_node_id
            if node not in self.there():
                continue
            asked = to_bytes(message)
            answer = to_bytes(self.sites[self.names[node]](from_bytes(asked)))
            self.sent, self.received = self.sent + len(asked), self.received + len(answer)
            replies.append(from_bytes(answer))
        return replies

    def close(self) -> None:
        """Nothing: the sites end with the process."""
