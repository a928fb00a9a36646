"""sensorium embed"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Inputs, MediaRoot, RunFolder, TablePath, say

__all__ = ["embed"]


def embed(
    run: RunFolder,
    table: TablePath,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help=".parquet or .npy")],
    inputs: Inputs = None,
    media_root: MediaRoot = None,
) -> None:
    """A vector of unit length for each row of TABLE, in their order: near ones for rows that are alike.

    .parquet holds the columns row (its number, from 1) and vector, .npy the vectors alone.

    Example: sensorium embed run/ table.csv -o vectors.parquet
    """
    import io

    import numpy as np
    import pandas as pd

    from sensorium.data.table import write_atomically, write_table
    from sensorium.errors import ConfigError
    from sensorium.predictor import load

    if output.suffix.lower() not in {".parquet", ".npy"}:
        raise ConfigError(f"cannot write {output.name}: '{output.suffix}' must be .parquet or .npy.")
    vectors = load(run).embed(table, inputs, media_root, say)
    if output.suffix.lower() == ".npy":
        content = io.BytesIO()
        np.save(content, vectors, allow_pickle=False)
        write_atomically(output, content.getvalue())
    else:
        write_table(pd.DataFrame({"row": np.arange(1, len(vectors) + 1), "vector": list(vectors)}), output)
    say(f"{len(vectors)} vectors of {vectors.shape[1]} numbers written to {output}.")
