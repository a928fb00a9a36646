"""sensorium diagram"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, RunFolder, print_json, say

__all__ = ["diagram"]


def diagram(
    run: RunFolder,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw it into this file instead.")] = None,
    json: Json = False,
) -> None:
    """RUN's network as a Mermaid graph, or a picture: shapes, parameters and FLOPs of each part.

    Example: sensorium diagram run/ --svg network.svg
    """
    from sensorium.data.table import write_atomically
    from sensorium.pictures.diagram import mermaid
    from sensorium.pictures.diagram_svg import diagram_svg
    from sensorium.predictor import load
    from sensorium.report.parts import parts_with_costs

    parts = parts_with_costs(load(run))
    if json:
        print_json({"mermaid": mermaid(parts)})
    elif svg is None:
        print(mermaid(parts))
    if svg is not None:
        write_atomically(svg, diagram_svg(parts).encode())
        say(f"written to {svg}.")
