"""sensorium sign"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, RunFolder, print_json

__all__ = ["sign"]


def sign(
    run: RunFolder,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Your private key, as `sensorium keys` makes it.")],
    json: Json = False,
) -> None:
    """Sign all that RUN is made of, so that others can be sure that it is yours.

    Example: sensorium sign model.sensorium --key me.pem
    """
    from sensorium.export.pack import sign as write

    write(run, key)
    if json:
        print_json({"signed": str(run)})
        return
    print(f"{run} is signed.")
