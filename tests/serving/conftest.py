"""A server in this process, answering over loopback."""

import base64
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import pandas as pd
import pytest
import uvicorn

from sensorium.serving.app import create_app
from sensorium.serving.options import Options
from sensorium.serving.server import settings

SHORT = Options(max_bytes=2_000_000, decoders=1, threads=1, watch=0)


@contextmanager
def served(run: Path, **changes: Any) -> Iterator[SimpleNamespace]:
    """A running server, its options changed: its app, host, port and a client."""
    options = replace(SHORT, **changes)
    app = create_app(run, options)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, **settings(options)))
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < end, "the server did not start in 60 s"
        time.sleep(0.01)
    host, port = listening.getsockname()
    limits = httpx.Limits(max_connections=100)
    try:
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=30, limits=limits) as client:
            yield SimpleNamespace(app=app, host=host, port=port, client=client, server=server, thread=thread)
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def server(run) -> Iterator[SimpleNamespace]:
    with served(run) as found:
        yield found


@pytest.fixture(scope="session")
def serve():
    """`with serve(run, **options)`: another server."""
    return served


@pytest.fixture(scope="session")
def cells(table) -> list[dict]:
    """The rows of the table as cells, without empty ones and without targets."""
    frame = pd.read_csv(table, dtype=str, keep_default_na=False).drop(columns=["label", "price", "tags"])
    return [{name: cell for name, cell in row.items() if cell} for row in frame.to_dict("records")]


@pytest.fixture(scope="session")
def rows(cells, table) -> list[dict]:
    """The same rows as a request has them."""

    def value(name: str, cell: str):
        if name in {"photo", "call", "clip"}:
            return base64.b64encode((table.parent / cell).read_bytes()).decode()
        return [float(x) for x in cell.strip("[]").split(",")] if name == "pose" else cell

    return [{name: value(name, cell) for name, cell in row.items()} for row in cells]
