"""sensorium keys"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, print_json

__all__ = ["keys"]


def keys(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Of both files, without their endings.")],
    json: Json = False,
) -> None:
    """A new pair of keys to sign runs with: NAME.pem, to be kept secret, and NAME.pub.

    Example: sensorium keys me
    """
    from sensorium.export.signature import make_keys

    private, public = name.with_name(f"{name.name}.pem"), name.with_name(f"{name.name}.pub")
    make_keys(private, public)
    if json:
        print_json({"private": str(private), "public": str(public)})
        return
    print(f"Keep {private} secret; give {public} to those who use what you sign.")
