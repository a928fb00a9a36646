"""The page's paths on an application."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from sensorium.explain.page import STYLE
from sensorium.serving.page.document import document
from sensorium.serving.page.form import form
from sensorium.serving.page.rows import example_rows
from sensorium.serving.refusal import Refusal

__all__ = ["mount"]

HERE = Path(__file__).parent
# Nothing from elsewhere, no script within the page; marks in explanations carry their strength as a style.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src data: blob:",
        "media-src data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "permissions-policy": "camera=(self), microphone=(self)",
    "referrer-policy": "no-referrer",
}


def mount(app: FastAPI, authorized: Callable[..., Any]) -> None:
    """Put the page at / of an application made by `create_app`, and what it needs below /page.

    Args:
        app: answers /predict and /explain, which the page asks.
        authorized: what a request must pass that reads something of the run.
    """
    guarded: dict[str, Any] = {"dependencies": [Depends(authorized)], "include_in_schema": False}
    chosen = _Chosen(app.state.options.examples)
    style, script = (HERE / "page.css").read_text("utf-8") + STYLE, (HERE / "page.js").read_text("utf-8")
    app.state.paths = (*app.state.paths, "/", "/page/page.css", "/page/page.js", "/page/form", "/page/example")

    @app.get("/", include_in_schema=False)
    async def page(request: Request, lang: Annotated[Literal["en", "zh"] | None, Query()] = None) -> Response:
        return HTMLResponse(document(lang or _spoken(request.headers.get("accept-language", ""))), headers=HEADERS)

    @app.get("/page/page.css", include_in_schema=False)
    async def css() -> Response:
        return Response(style, media_type="text/css")

    @app.get("/page/page.js", include_in_schema=False)
    async def javascript() -> Response:
        return Response(script, media_type="text/javascript")

    @app.get("/page/form", **guarded)
    async def fields() -> Response:
        engine = app.state.served.engine
        rows = await chosen.rows(engine)
        return JSONResponse({**form(engine), "examples": [{key: row[key] for key in ("row", "truth")} for row in rows]})

    @app.get("/page/example", **guarded)
    async def example(place: Annotated[int, Query(ge=0)]) -> Response:
        rows = await chosen.rows(app.state.served.engine)
        if place >= len(rows):
            raise Refusal(404, "there is no such example.")
        return JSONResponse(rows[place])


class _Chosen:
    """The examples of the run that answers now, looked for when they are asked for first."""

    def __init__(self, count: int):
        self._count, self._lock = count, asyncio.Lock()
        self._run: str | None = None
        self._rows: list[dict[str, Any]] = []

    async def rows(self, engine: Any) -> list[dict[str, Any]]:
        async with self._lock:
            if engine.run != self._run:
                self._rows = await asyncio.to_thread(example_rows, engine, self._count)
                self._run = engine.run
            return self._rows


def _spoken(languages: str) -> Literal["en", "zh"]:
    """The first of a browser's languages that the page has."""
    for part in languages.split(","):
        if part.strip()[:2].lower() in {"en", "zh"}:
            return "zh" if part.strip()[:2].lower() == "zh" else "en"
    return "en"
