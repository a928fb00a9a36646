"""The application: paths, what guards them, and their documentation."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response

from sensorium import __version__
from sensorium.errors import ConfigError
from sensorium.media.loader import processors
from sensorium.media.pool import DecoderPool
from sensorium.serving.admission import Admission
from sensorium.serving.body import parse_body, read_body
from sensorium.serving.boundary import Boundary
from sensorium.serving.engine import Engine, Workers
from sensorium.serving.metrics import Metrics
from sensorium.serving.options import Options
from sensorium.serving.refusal import Refusal, Refused
from sensorium.serving.reload import Served
from sensorium.serving.schema import Answers, Explained

__all__ = ["create_app"]

PATHS = ("/predict", "/explain", "/schema", "/metrics", "/health", "/ready", "/openapi.json", "/docs")
SMALL = 64 * 1024  # bytes of a body that is parsed at once; a larger one in a thread, and the others go on meanwhile
DECODE_MB = 1024  # MiB for one file

Work = Callable[[Engine, list[dict[str, Any]]], Awaitable[list[dict[str, Any]]]]


def create_app(run: Path, options: Options | None = None) -> FastAPI:
    """The application that answers with a run.

    More can be mounted on it (`app.mount(path, page)`); such a page predicts through `app.state.served.engine`, which is
    there while the application runs, or through its paths.

    Args:
        run: folder of a finished fit, or a link to one.
        options: the usual ones where left out.
    """
    options = options or Options()
    metrics, admission = Metrics(), Admission(options.queue, options.held)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        decoders = DecoderPool(options.decoders or processors(), options.seconds, DECODE_MB)
        threads = [ThreadPoolExecutor(1, thread_name_prefix=f"sensorium-{name}") for name in ("network", "explaining")]
        workers = Workers(decoders, *threads)
        workers.warm()
        try:
            app.state.served = served = await asyncio.to_thread(Served, run, options, workers, metrics)
            watching = asyncio.create_task(served.watch())
            yield
            watching.cancel()
        finally:
            await asyncio.to_thread(workers.close)

    app = FastAPI(
        title="sensorium",
        version=__version__,
        description="Answers of one run. An input may be left out or null: it then counts as missing.",
        lifespan=lifespan,
        redoc_url=None,
        openapi_url="/openapi.json" if options.api_key is None else None,  # else it is given to those with the key
        redirect_slashes=False,  # the address that it would send clients to is what their Host header says
    )
    app.state.options, app.state.metrics, app.state.admission, app.state.paths = options, metrics, admission, PATHS
    _guard(app, options, metrics)
    _answer_errors(app)
    _routes(app)
    app.openapi = lambda: _openapi(app)
    return app


def _guard(app: FastAPI, options: Options, metrics: Metrics) -> None:
    """What stands around every path, the outermost last."""
    if options.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=options.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type", "X-API-Key"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    app.add_middleware(Boundary, owner=app, metrics=metrics)


def _answer_errors(app: FastAPI) -> None:
    """Every error in one form, without what was sent."""

    def refuse(request: Request, refusal: Refusal) -> Response:
        return JSONResponse(refusal.body(request.state.request), refusal.status, headers=refusal.headers)

    async def refused(request: Request, error: Refusal) -> Response:
        return refuse(request, error)

    async def of_paths(request: Request, error: HTTPException) -> Response:
        return refuse(request, Refusal(error.status_code, f"{error.detail}.", headers=dict(error.headers or {})))

    async def of_query(request: Request, error: RequestValidationError) -> Response:
        details = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
        return refuse(request, Refusal(422, "the query can't be used.", details))

    async def of_options(request: Request, error: ConfigError) -> Response:
        return refuse(request, Refusal(422, str(error)))

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, of_paths)
    app.add_exception_handler(RequestValidationError, of_query)
    app.add_exception_handler(ConfigError, of_options)


def _routes(app: FastAPI) -> None:
    state = app.state
    key = APIKeyHeader(name="X-API-Key", auto_error=False)

    async def authorized(given: Annotated[str | None, Depends(key)]) -> None:
        wanted = state.options.api_key
        if wanted is not None and not hmac.compare_digest((given or "").encode(), wanted.encode()):
            raise Refusal(401, "the header X-API-Key must hold the server's key.")

    guarded: dict[str, Any] = {"dependencies": [Depends(authorized)]}
    told = {code: {"model": Refused, "description": text} for code, text in REFUSALS.items()}

    @app.post("/predict", response_model=Answers, responses=told, **guarded)
    async def predict(request: Request) -> Response:
        """The answers to rows: of one, or of many, which come back in their order."""
        return await _work(request, lambda engine, rows: engine.predict(rows))

    @app.post("/explain", response_model=Explained, responses=told, **guarded)
    async def explain(
        request: Request,
        target: Annotated[str | None, Query(max_length=1000, description="which one; the first where left out")] = None,
        label: Annotated[str | None, Query(max_length=1000, description="the class; that of the answer")] = None,
        parts: Annotated[bool, Query(description="also what counts inside each input; takes longer")] = False,
        html: Annotated[Literal["en", "zh"] | None, Query(description="also drawn, in this language")] = None,
    ) -> Response:
        """Why rows are answered as they are: what each input adds, and what pairs of them do together."""
        return await _work(request, lambda engine, rows: engine.explain(rows, target, label, parts, html))

    if state.options.api_key is not None:

        @app.get("/openapi.json", include_in_schema=False, **guarded)
        async def openapi() -> dict[str, Any]:
            return app.openapi()

    @app.get("/schema", responses={401: told[401]}, **guarded)
    async def schema() -> dict[str, Any]:
        """The fields of a row, the targets, and what a request may ask for."""
        return _schema(state.served.engine)

    @app.get("/metrics", response_class=Response, responses={401: told[401]}, **guarded)
    async def metrics() -> Response:
        """Counts and times, for Prometheus."""
        return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the server is alive."""
        return {"status": "alive"}

    @app.get("/ready", responses={503: told[503]})
    async def ready() -> dict[str, str]:
        """Whether it takes requests."""
        with state.admission.enter():
            return {"status": "ready", "run": state.served.engine.run}

    if state.options.page:
        from sensorium.serving.page.routes import mount

        mount(app, authorized)


REFUSALS = {
    400: "the body is damaged",
    401: "the API key is not right",
    408: "the body did not come in time",
    413: "the body is too large",
    415: "the body is neither JSON nor a form",
    422: "a field can't be used",
    503: "too many requests; come back after Retry-After seconds",
    504: "there was no answer in time",
}


async def _work(request: Request, work: Work) -> Response:
    """Take a request for rows, have the work done on them, and give the answer, all within its time."""
    state, told = request.app.state, request.state.told
    options, engine = state.options, state.served.engine
    loop = asyncio.get_running_loop()
    end = loop.time() + options.seconds
    with state.admission.enter() as admitted:
        try:
            async with asyncio.timeout_at(end):
                body = await read_body(request, admitted, options.max_bytes)
        except TimeoutError:
            headers = {"Connection": "close"}
            raise Refusal(408, f"the body must come in {options.seconds:g} s.", headers=headers) from None
        told["bytes"] = len(body)
        try:
            async with asyncio.timeout_at(end):
                rows = await _rows(body, request, engine)
                told["rows"] = len(rows)
                found = await work(engine, rows)
        except TimeoutError:
            raise Refusal(504, f"there was no answer in {options.seconds:g} s.") from None
    state.metrics.rows.labels(request.scope["route"].path).inc(len(rows))
    return JSONResponse({"rows": found, "run": engine.run})


async def _rows(body: bytes, request: Request, engine: Engine) -> list[dict[str, Any]]:
    files = {name: field.files for name, field in engine.schema.fields.items()}
    headers = request.headers

    def read() -> list[dict[str, Any]]:
        return engine.schema.read(asyncio.run(parse_body(body, headers, files)))

    if len(body) > SMALL:
        return await asyncio.to_thread(read)
    return engine.schema.read(await parse_body(body, headers, files))


def _schema(engine: Engine) -> dict[str, Any]:
    options = engine.options
    return {
        "run": engine.run,
        "fields": [
            {"name": field.name, "kind": field.kind, "schema": field.schema, "example": field.example}
            for field in engine.schema.fields.values()
        ],
        "targets": [
            {"name": name, "task": coder.task, "classes": coder.classes}
            for name, coder in engine.predictor.coders.items()
        ],
        "limits": {
            "bytes": options.max_bytes,
            "rows": options.max_rows,
            "characters": options.max_characters,
            "pixels": engine.limits.max_pixels,
            "media_seconds": engine.limits.max_seconds,
            "seconds": options.seconds,
        },
    }


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The documentation, with the fields of the run that answers now."""
    told = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    body = app.state.served.engine.schema.openapi()
    for path in ("/predict", "/explain"):
        told["paths"][path]["post"]["requestBody"] = body
    return told
