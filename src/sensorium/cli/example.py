"""sensorium example"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, print_json, written

__all__ = ["example"]


def example(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="customer-service, demo, image-captions, sentiment or video.")
    ],
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Where; a folder NAME else.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another one than 0 makes other rows.")] = None,
    json: Json = False,
) -> None:
    """Make the example NAME: tables and real media files to try everything on.

    Example: sensorium example demo --out demo/
    """
    from sensorium.examples import make

    paths = {key: str(path) for key, path in make(name, out or Path(name), **written(seed=seed)).items()}
    if json:
        print_json(paths)
    else:
        for key, path in paths.items():
            print(f"{key}: {path}")
