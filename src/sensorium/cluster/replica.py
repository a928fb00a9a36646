"""One process of a served run on a cluster."""

import logging.config
from pathlib import Path

from fastapi import FastAPI

from sensorium.serving.app import create_app
from sensorium.serving.logs import config
from sensorium.serving.options import Options

__all__ = ["Replica"]


class Replica:
    """Makes the application of `sensorium serve` in the process that answers.

    Args:
        run: its folder, or its one file.
        options: of the application, as `Options.dumps` gives them.
    """

    def __init__(self, run: str, options: str):
        logging.config.dictConfig(config())
        self.run, self.options = Path(run), Options.loads(options)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Called by Ray Serve, which runs what it gives."""
        return create_app(self.run, self.options)
