"""sensorium report"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, MediaRoot, RunFolder, print_json, say
from sensorium.errors import ConfigError

__all__ = ["report"]


def report(
    run: RunFolder,
    table: Annotated[
        Path | None,
        typer.Argument(metavar="[TABLE]", help="Rows to report on; else those that RUN was validated with."),
    ] = None,
    language: Annotated[str, typer.Option(metavar="NAME", help="en or zh.")] = "en",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="An .html file; RUN/report.html, or RUN.html of a file, where left out.",
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option("--time-limit", metavar="SECONDS", help="For missing and damaged inputs; then fewer rows do."),
    ] = 120,
    seed: Annotated[int, typer.Option(help="Of rows' order, the damage and intervals.")] = 0,
    single_rows: Annotated[bool, typer.Option("--rows/--no-rows", help="Show some rows, with what is in them.")] = True,
    media_root: MediaRoot = None,
    json: Json = False,
) -> None:
    """One HTML file on RUN: its score, errors, calibration, inputs, curves, and rows worth a look, explained.

    It needs no network when it is opened.

    Example: sensorium report run/ test.csv
    """
    from sensorium.predictor import load

    beside = run.with_suffix(".html") if run.is_file() else run / "report.html"
    path = beside if output is None else output
    if path.suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(f"-o must be an .html file; got {path.name}.")
    found = load(run).report(
        table,
        media_root,
        title=run.resolve().name,
        language=language,
        time_limit=time_limit,
        seed=seed,
        say=say,
        single_rows=single_rows,
    )
    found.save(path)
    say(f"written to {path}.")
    if json:
        print_json({"report": str(path)})
