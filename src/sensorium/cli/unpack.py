"""sensorium unpack"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, PublicKey, print_json

__all__ = ["unpack"]


def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Of `sensorium pack`.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="To write.")],
    key: PublicKey = None,
    json: Json = False,
) -> None:
    """The run of FILE as a folder, once all of it is checked.

    Example: sensorium unpack model.sensorium run/
    """
    from sensorium.export.pack import unpack as write

    write(file, folder, key)
    if json:
        print_json({"folder": str(folder)})
        return
    print(f"{file} unpacked to {folder}.")
