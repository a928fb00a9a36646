"""One line of JSON for each thing that happens, without anything that users sent."""

import json
import logging
import time
from typing import Any

__all__ = ["JsonLines", "config"]

TOLD = ("request", "method", "path", "status", "ms", "rows", "bytes", "run", "fault")


class JsonLines(logging.Formatter):
    """A record as JSON: time, level, event and the fields of TOLD that it has."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in TOLD if hasattr(record, name)}
        return json.dumps(line, ensure_ascii=False)


def config() -> dict[str, Any]:
    """For `logging.config.dictConfig`: our log, that of uvicorn and warnings of others, on stderr."""
    handlers = {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}}
    told = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "sensorium.serving.logs.JsonLines"}},
        "handlers": handlers,
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"sensorium.serving": told, "uvicorn": told},
    }
