"""sensorium predict"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, MediaRoot, RunFolder, TablePath, print_json, say

__all__ = ["predict"]


def predict(
    run: RunFolder,
    table: TablePath,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help=".csv, .tsv, .parquet, .jsonl")
    ] = None,
    coverage: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Add what holds the truth in so many rows, such as 0.9.")
    ] = None,
    media_root: MediaRoot = None,
    json: Json = False,
) -> None:
    """Answer the rows of TABLE, in their order: the target, and a probability column for each class.

    With --coverage 0.9 also sets of classes, or intervals of numbers, that hold the truth in 90 % of such rows.

    Example: sensorium predict run/ new.csv -o predictions.csv
    """
    from sensorium.data.table import read_table, write_table
    from sensorium.errors import ConfigError
    from sensorium.predictor import load

    if output is None and not json:
        raise ConfigError("give a file to write to with -o FILE, or --json.")
    answers = load(run).answers(read_table(table, media_root), say, coverage)
    if output is not None:
        write_table(answers, output)
        say(f"{len(answers)} rows written to {output}.")
    if json:
        infinite = {float("inf"): None, float("-inf"): None}  # of intervals; JSON has no such number
        print_json(answers.replace(infinite).to_dict(orient="records"))
