"""Around everything: a number for each request, its line in the log, its counts, and an answer whatever happens."""

import logging
import secrets
import time
import traceback
from typing import Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sensorium.serving.metrics import Metrics
from sensorium.serving.refusal import Refusal

__all__ = ["Boundary"]

log = logging.getLogger("sensorium.serving")

GONE = 499  # the client went before its answer
SAFE = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


class Boundary:
    """The outermost layer of a server.

    Args:
        app: what answers.
        owner: the application, whose routes give the log's paths: others may hold what users sent.
        metrics: of the server.
    """

    def __init__(self, app: ASGIApp, owner: FastAPI, metrics: Metrics):
        self.app, self.metrics = app, metrics
        self.paths = owner.state.paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, started, status = secrets.token_hex(8), time.perf_counter(), 0
        scope.setdefault("state", {})["request"] = request
        told: dict[str, Any] = scope["state"].setdefault("told", {})

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name.lower() for name, _ in message["headers"]}
                headers = {**SAFE, "x-request-id": request}
                more = [(n.encode(), v.encode()) for n, v in headers.items() if n.encode() not in there]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        path = scope["path"] if scope["path"] in self.paths else "other"
        self.metrics.active.inc()
        try:
            await self.app(scope, receive, answer)
        except ClientDisconnect:
            status = GONE
        except Exception as error:  # a fault of ours: the server goes on, and its log says where, not what was sent
            told["fault"] = f"{type(error).__name__} at {_place(error)}"
            if not status:
                body = Refusal(500, "the server failed; its log has the reason under this number.").body(request)
                await JSONResponse(body, 500)(scope, receive, answer)
        finally:
            self.metrics.active.dec()
            seconds = time.perf_counter() - started
            self.metrics.requests.labels(path, str(status or GONE)).inc()
            self.metrics.seconds.labels(path).observe(seconds)
            extra = {"request": request, "method": _method(scope), "path": path, "status": status or GONE}
            level = logging.ERROR if "fault" in told else logging.INFO
            log.log(level, "request", extra={**extra, "ms": round(1000 * seconds, 1), **told})


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in {"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"} else "other"


def _place(error: Exception) -> str:
    """The lines that led to an error, the innermost last; without its message, which may hold what was sent."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)
