"""sensorium serve"""

from typing import Annotated

import typer

from sensorium.cli.options import Cluster, RunFolder, say

__all__ = ["serve"]


def serve(
    run: RunFolder,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0: on every network.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with a copy of RUN.")] = 1,
    batch: Annotated[int, typer.Option(metavar="ROWS", help="Answered at once, at most.")] = 64,
    wait: Annotated[float, typer.Option(metavar="MS", help="That a row waits for others.")] = 2.0,
    queue: Annotated[int, typer.Option(metavar="REQUESTS", help="At work at once; more are told to come back.")] = 256,
    seconds: Annotated[float, typer.Option(help="For one request.")] = 30.0,
    max_mb: Annotated[float, typer.Option("--max-mb", metavar="MB", help="Of one request.")] = 32.0,
    max_rows: Annotated[int, typer.Option("--max-rows", metavar="ROWS", help="Of one request.")] = 64,
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", envvar="SENSORIUM_API_KEY", metavar="KEY", help="Needed in the header X-API-Key."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option("--origin", metavar="URL", help="Whose web pages may ask; may be given several times."),
    ] = None,
    watch: Annotated[
        float, typer.Option(metavar="SECONDS", help="How often to look for another run at RUN; 0: never.")
    ] = 2.0,
    ui: Annotated[bool, typer.Option("--ui", help="A web page at /, to try RUN in a browser.")] = False,
    examples: Annotated[
        int, typer.Option(min=0, metavar="ROWS", help="Of RUN's own table, that the page shows to all who reach it.")
    ] = 6,
    cluster: Cluster = None,
    min_replicas: Annotated[
        int, typer.Option("--min-replicas", min=1, metavar="N", help="Processes of --cluster, at least.")
    ] = 1,
    max_replicas: Annotated[
        int, typer.Option("--max-replicas", min=1, metavar="N", help="Processes of --cluster under load, at most.")
    ] = 4,
) -> None:
    """Answer rows over HTTP with RUN: /predict and /explain, with documentation at /docs.

    Another run that is put at RUN takes over while requests go on. SIGTERM and Ctrl-C end it, once what was taken is
    answered. With --cluster, by processes of Ray Serve, as many as the load needs.

    Example: sensorium serve run/ --port 8000
    """
    from sensorium.serving.packages import check_installed

    check_installed()

    from sensorium.errors import ConfigError
    from sensorium.media.loader import processors
    from sensorium.serving.options import Options
    from sensorium.serving.server import serve as answer

    options = Options(
        max_bytes=int(max_mb * 10**6),
        max_rows=max_rows,
        seconds=seconds,
        queue=queue,
        batch=batch,
        wait=wait,
        decoders=max(1, processors() // workers),
        threads=max(1, processors() // workers) if workers > 1 else None,
        api_key=api_key,
        origins=tuple(origin or ()),
        watch=watch,
        page=ui,
        examples=examples,
    )
    page = "a page at /, " if ui else ""
    if cluster is not None:
        from sensorium.cluster.serve import serve as serve_replicas

        if workers > 1:
            raise ConfigError("--workers is for one machine; with --cluster say --min-replicas and --max-replicas.")
        line = f"serving {run} at port {port} of the cluster, {page}documentation at /docs. Ctrl-C ends it."
        serve_replicas(run, cluster, host, port, options, min_replicas, max_replicas, begins=lambda: say(line))
        return
    line = f"serving {run} at http://{host}:{port}, {page}documentation at /docs. Ctrl-C ends it."
    answer(run, host, port, workers, options, begins=lambda: say(line))
