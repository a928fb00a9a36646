"""Which requests are taken: so many at once, and so many bytes of all of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from sensorium.serving.refusal import Refusal

__all__ = ["Admission", "Admitted"]


class Admission:
    """The room of a server. A request that finds none is told when to come back, before its body is read.

    Args:
        most: requests at once.
        held: bytes of their bodies together.
    """

    def __init__(self, most: int, held: int):
        self.most, self.held = most, held
        self.requests = self.bytes = 0

    @contextmanager
    def enter(self) -> Iterator["Admitted"]:
        """Room for one request.

        Raises:
            Refusal: 503 with Retry-After.
        """
        if self.requests >= self.most:
            raise _come_back("the server has as many requests as it can take.")
        admitted = Admitted(self)
        self.requests += 1
        try:
            yield admitted
        finally:
            self.requests -= 1
            self.bytes -= admitted.bytes


class Admitted:
    """One request's share of the room."""

    def __init__(self, admission: Admission):
        self.admission, self.bytes = admission, 0

    def charge(self, count: int) -> None:
        """So many more bytes.

        Raises:
            Refusal: 503 with Retry-After.
        """
        if self.admission.bytes + count > self.admission.held:
            raise _come_back("the server holds as many bytes of requests as it can.", {"Connection": "close"})
        self.bytes += count
        self.admission.bytes += count


def _come_back(reason: str, headers: dict[str, str] | None = None) -> Refusal:
    return Refusal(503, f"{reason} Try again.", headers={"Retry-After": "1", **(headers or {})})
