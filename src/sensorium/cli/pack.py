"""sensorium pack"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, RunFolder, print_json

__all__ = ["pack"]


def pack(
    run: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="To write: model.sensorium.")],
    rows: Annotated[
        bool, typer.Option(help="Also what tells of single training rows: answers, problems, numbers, folders.")
    ] = True,
    json: Json = False,
) -> None:
    """RUN as one file, with its model card and the checksums of all of it.

    Every command that takes a run takes such a file, too.

    Example: sensorium pack run/ model.sensorium
    """
    from sensorium.errors import ConfigError
    from sensorium.export.card import card
    from sensorium.export.pack import SUFFIX
    from sensorium.export.pack import pack as write
    from sensorium.predictor import load

    if file.suffix != SUFFIX:
        raise ConfigError(f"FILE must end in {SUFFIX}; got {file.name}.")
    with_card = card(load(run), file.stem)  # it is loaded, so that nothing is packed that can't be
    write(run, file, with_card, rows)
    if json:
        print_json({"file": str(file), "bytes": file.stat().st_size})
        return
    print(f"{run} packed as {file}, {file.stat().st_size:,} bytes.")
