"""sensorium import"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, print_json, say

__all__ = ["import_"]


def import_(
    layout: Annotated[
        str,
        typer.Argument(
            metavar="LAYOUT",
            help="How it is laid out: av-mnist, ch-sims, folders, grid, hateful-memes, hf, meld, mosei or mosi.",
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The set, as it is published.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where the tables go; the set's own folder else.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="What is to be learned; may be given several times.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the splits, where the set has none.")] = 0,
    json: Json = False,
) -> None:
    """Make the tables train, valid and test of a public set; its media stay where they are.

    Example: sensorium import meld MELD.Raw/ --target Emotion --out meld/
    """
    from sensorium.importing.import_set import import_set

    paths = {key: str(path) for key, path in import_set(layout, folder, out, target=target, seed=seed, say=say).items()}
    if json:
        print_json(paths)
    else:
        for key, path in paths.items():
            print(f"{key}: {path}")
