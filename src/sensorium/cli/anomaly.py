"""sensorium anomaly"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, MediaRoot, RunFolder, TablePath, print_json, say

__all__ = ["anomaly"]


def anomaly(
    run: RunFolder,
    table: TablePath,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help=".csv, .tsv, .parquet, .jsonl")
    ] = None,
    media_root: MediaRoot = None,
    json: Json = False,
) -> None:
    """How strange each row of TABLE is to RUN, of `sensorium pretrain`: 0 for a usual row, and by input.

    Example: sensorium anomaly pretrained/ new.csv -o scores.csv
    """
    from sensorium.data.table import read_table, write_table
    from sensorium.errors import ConfigError
    from sensorium.predictor import load

    if output is None and not json:
        raise ConfigError("give a file to write to with -o FILE, or --json.")
    scores = load(run).anomalies(read_table(table, media_root), say)
    if output is not None:
        write_table(scores, output)
        say(f"{len(scores)} rows written to {output}.")
    if json:
        print_json(scores.astype(object).where(scores.notna(), None).to_dict(orient="records"))
