"""sensorium pull"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, PublicKey, print_json

__all__ = ["pull"]


def pull(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="On the Hugging Face hub.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="To write: model.sensorium, or a folder.")],
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="A branch, a tag or, always the same run, a commit.")
    ] = None,
    key: PublicKey = None,
    json: Json = False,
) -> None:
    """Download a run from the Hugging Face hub. No code is fetched, and what was changed on its way is refused.

    Example: sensorium pull me/recipes recipes.sensorium
    """
    from sensorium.export.hub import pull as download

    download(repository, target, revision, key)
    if json:
        print_json({"run": str(target)})
        return
    print(f"{repository} is at {target}")
