"""The processes of a server: uvicorn's, each with a copy of the run."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from sensorium.predictor import load
from sensorium.serving.app import create_app
from sensorium.serving.logs import config
from sensorium.serving.metrics import SHARED
from sensorium.serving.options import Options
from sensorium.serving.protocol import PatientProtocol

__all__ = ["from_environment", "serve", "settings"]

RUN, OPTIONS = "SENSORIUM_SERVE_RUN", "SENSORIUM_SERVE_OPTIONS"  # how the processes are told


def serve(
    run: Path, host: str, port: int, workers: int, options: Options, begins: Callable[[], None] = lambda: None
) -> None:
    """Answer requests until a signal (SIGTERM, SIGINT) ends it; what was taken by then is still answered.

    Args:
        run: folder of a finished fit, or a link to one.
        host, port: where to listen.
        workers: processes.
        options: of each of them.
        begins: called once the run is known to be one that can answer.

    Raises:
        DataError: the folder holds no finished run.
    """
    load(run)._answering()  # a mistake is told here, before there are processes
    begins()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn, when it is done, raises again what ended it
    os.environ[RUN], os.environ[OPTIONS] = str(run.absolute()), options.dumps()
    with tempfile.TemporaryDirectory(prefix="sensorium-metrics-") as folder:
        if workers > 1:
            os.environ[SHARED] = folder
        uvicorn.run(
            "sensorium.serving.server:from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_config=config(),
            **settings(options),
        )


def settings(options: Options) -> dict[str, Any]:
    """How uvicorn is to go about it."""
    return {
        "http": PatientProtocol,
        "ws": "none",
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": int(options.seconds) + 5,
    }


def from_environment() -> FastAPI:
    """The application of one process."""
    return create_app(Path(os.environ[RUN]), Options.loads(os.environ[OPTIONS]))
