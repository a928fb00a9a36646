"""HTTP as uvicorn speaks it, with a limit of time for a request to begin."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["HEADER_SECONDS", "PatientProtocol"]

HEADER_SECONDS = 10.0  # for a request's headers, and for what of a refused body is still to come


class PatientProtocol(H11Protocol):
    """Closes a connection on which no request has begun for a while, also where parts of one drip in.

    uvicorn itself waits for ever for the rest of a header, so that idle connections could take all that there can be.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._waiting is not None:
            self._waiting.cancel()

    def _wait(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(HEADER_SECONDS, self._close)

    def _close(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
