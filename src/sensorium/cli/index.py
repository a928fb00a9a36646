"""sensorium index"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Inputs, Json, MediaRoot, RunFolder, TablePath, print_json, say

__all__ = ["index"]


def index(
    run: RunFolder,
    table: TablePath,
    out: Annotated[Path, typer.Option("--out", metavar="INDEX", help="The folder to save it to.")],
    inputs: Inputs = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare every row in each search, however many there are.")
    ] = False,
    media_root: MediaRoot = None,
    json: Json = False,
) -> None:
    """Make the rows of TABLE searchable with `sensorium search`.

    Example: sensorium index run/ table.csv --out index/
    """
    from sensorium.predictor import load
    from sensorium.search.index import Index

    made = Index.build(load(run), table, inputs, True if exact else None, media_root, say)
    made.save(out)
    if json:
        print_json({"index": str(out), "rows": len(made), "inputs": made.inputs, "exact": made.graph is None})
        return
    how = "every row is compared" if made.graph is None else "by a graph of near ones"
    print(f"{len(made)} rows of {', '.join(made.inputs)} saved to {out}; {how}.")
