"""sensorium init"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import As, Ignore, Json, MediaRoot, TablePath, Target, parse_as, print_json, say

__all__ = ["init"]


def init(
    table: TablePath,
    target: Target = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where to write; stdout else.")
    ] = None,
    ignore: Ignore = None,
    modality: As = None,
    media_root: MediaRoot = None,
    json: Json = False,
) -> None:
    """Write the whole configuration that suits TABLE, to be edited and given to `fit --config`.

    Example: sensorium init train.csv --target label -o config.yaml
    """
    import yaml

    from sensorium.config import dump_config
    from sensorium.data.table import read_table, write_atomically
    from sensorium.planning import plan

    config, _ = plan(read_table(table, media_root), target, None, [], ignore or [], parse_as(modality))
    text = dump_config(config)
    if out is not None:
        write_atomically(out, text.encode())
        say(f"written to {out}.")
    if json:
        print_json(yaml.safe_load(text))
    elif out is None:
        print(text, end="")
