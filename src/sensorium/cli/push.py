"""sensorium push"""

from typing import Annotated

import typer

from sensorium.cli.options import Json, RunFolder, print_json

__all__ = ["push"]


def push(
    run: RunFolder,
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="On the Hugging Face hub.")],
    public: Annotated[bool, typer.Option("--public", help="A new repository can be seen by everybody.")] = False,
    revision: Annotated[str | None, typer.Option(metavar="BRANCH", help="The main branch where left out.")] = None,
    json: Json = False,
) -> None:
    """Upload RUN, with its model card, to the Hugging Face hub.

    A folder goes without what tells of single training rows; a packed run as it is, signature and all.

    Example: sensorium push run/ me/recipes
    """
    from sensorium.export.hub import push as upload

    where = upload(run, repository, not public, revision)
    if json:
        print_json({"url": where})
        return
    print(f"{run} is at {where}")
