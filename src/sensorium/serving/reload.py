"""The run that a server answers with, and its change for another one while requests come in."""

import asyncio
import logging
from pathlib import Path

from sensorium.errors import SensoriumError
from sensorium.serving.engine import Engine, Workers, mark
from sensorium.serving.metrics import Metrics
from sensorium.serving.options import Options

__all__ = ["Served"]

log = logging.getLogger("sensorium.serving")


class Served:
    """The engine of the run at a path. Another run put there is loaded beside it and then takes its place.

    A request keeps the engine that it began with, so none is lost. A run that can't be loaded changes nothing.

    Args:
        folder: of the run, or a link to it; or its one file.
        options, workers, metrics: of the server.
    """

    def __init__(self, folder: Path, options: Options, workers: Workers, metrics: Metrics):
        self.folder, self._parts = folder, (options, workers, metrics)
        self._metrics, self._watch = metrics, options.watch
        self._seen = self._failed = self._state()
        self.engine = Engine.load(folder, *self._parts)

    async def watch(self) -> None:
        """Look from time to time whether another run is there, for ever."""
        while self._watch:
            await asyncio.sleep(self._watch)
            await self.look()

    async def look(self) -> None:
        """Load the run that is there now, where it is another one."""
        state = self._state()
        if state is None or state == self._seen:  # None: it is being written; run.json comes last
            return
        try:
            engine = await asyncio.to_thread(Engine.load, self.folder, *self._parts)
        except (SensoriumError, OSError) as error:  # damaged, or still being copied: it is tried again, and told once
            if state != self._failed:
                self._metrics.reloads.labels("failed").inc()
                log.error("reload failed: %s", error, extra={"run": self.engine.run})
            self._failed = state
            return
        self._seen, self.engine = state, engine
        self._metrics.reloads.labels("done").inc()
        log.info("reloaded", extra={"run": engine.run})

    def _state(self) -> tuple[int, ...] | None:
        try:
            found = mark(self.folder).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
