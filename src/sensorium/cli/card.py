"""sensorium card"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, RunFolder, print_json, say

__all__ = ["card"]


def card(
    run: RunFolder,
    title: Annotated[str | None, typer.Option(metavar="NAME", help="Of the model; RUN's name where left out.")] = None,
    use: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is meant for, and what not.")] = None,
    licence: Annotated[
        str | None, typer.Option("--license", metavar="NAME", help="As the hub calls it: apache-2.0, cc-by-4.0.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="A file to write, such as RUN/README.md.")
    ] = None,
    json: Json = False,
) -> None:
    """RUN's model card in Markdown: data, intended use, scores with intervals, limits, inputs.

    As RUN/README.md it can be written on by hand, and goes into what `sensorium pack` and `sensorium push` make.

    Example: sensorium card run/ --use "Sorting recipes; not for allergies." -o run/README.md
    """
    from sensorium.data.table import write_atomically
    from sensorium.export.card import card as write
    from sensorium.predictor import load

    text = write(load(run), title or run.resolve().stem, use, licence)
    if output is not None:
        write_atomically(output, text.encode())
        say(f"written to {output}.")
    if json:
        print_json({"card": text})
    elif output is None:
        print(text, end="")
