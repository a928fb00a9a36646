"""What a server may take and how it goes about it."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from sensorium.errors import ConfigError

__all__ = ["Options"]

ABOVE_ZERO = (
    "max_bytes",
    "max_rows",
    "max_characters",
    "seconds",
    "queue",
    "batch",
    "wait",
    "max_pixels",
    "max_seconds",
)


@dataclass(frozen=True)
class Options:
    """Options of a server. What a request asks for beyond them is refused, before it is decoded.

    Args:
        max_bytes: of one request's body.
        max_rows: of one request.
        max_characters: of one text.
        seconds: for one request, from its first byte to its answer.
        queue: requests at work at once; further ones are told to come back.
        batch: rows that the network answers at once, at most.
        wait: ms that a row waits for others.
        max_pixels: of one picture or frame; the run's own limit where that is lower.
        max_seconds: of one recording or clip; the run's own limit where that is lower.
        decoders: processes that decode media; None: one a processor.
        threads: processors that the network uses; None: all.
        api_key: what a request must bring; None: nothing.
        origins: web pages of these origins may ask; none: no page of elsewhere.
        watch: seconds between looks whether another run has taken the run's place; 0: never.
        page: whether there is a web page at /.
        examples: rows of the run's own table that the page offers, at most; all who reach it can see them.

    Raises:
        ConfigError: a number out of its range, an API key that can't be a header.
    """

    max_bytes: int = 32 * 1024**2
    max_rows: int = 64
    max_characters: int = 1_000_000
    seconds: float = 30.0
    queue: int = 256
    batch: int = 64
    wait: float = 2.0
    max_pixels: int = 50_000_000
    max_seconds: float = 600.0
    decoders: int | None = None
    threads: int | None = None
    api_key: str | None = None
    origins: tuple[str, ...] = ()
    watch: float = 2.0
    page: bool = False
    examples: int = 6

    def __post_init__(self) -> None:
        for name in ABOVE_ZERO:
            if not getattr(self, name) > 0:
                raise ConfigError(f"serve: {name} must be above 0; got {getattr(self, name)}.")
        for name in ("decoders", "threads"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"serve: {name} must be 1 or more; got {getattr(self, name)}.")
        if self.examples < 0:
            raise ConfigError(f"serve: examples must be 0 or more; got {self.examples}.")
        if self.watch < 0:
            raise ConfigError(f"serve: watch must be 0 or more seconds; got {self.watch}.")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise ConfigError("serve: the API key must be one line of ASCII that is not empty.")

    @property
    def held(self) -> int:
        """Bytes of all requests at work together."""
        return 16 * self.max_bytes

    def dumps(self) -> str:
        """As text, for other processes."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> "Options":
        told: dict[str, Any] = json.loads(text)
        return cls(**{**told, "origins": tuple(told["origins"])})
