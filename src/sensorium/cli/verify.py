"""sensorium verify"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, RunFolder, print_json

__all__ = ["verify"]


def verify(
    run: RunFolder,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The public key of who must have signed it.")],
    json: Json = False,
) -> None:
    """Be sure that RUN is what the owner of a key signed, and was not changed since. It is not loaded.

    Example: sensorium verify model.sensorium --key me.pub
    """
    from sensorium.export.pack import opened

    with opened(run, key):
        pass
    if json:
        print_json({"verified": str(run)})
        return
    print(f"{run} is as the owner of {key} signed it.")
