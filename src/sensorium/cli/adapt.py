"""sensorium adapt"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.fit import show
from sensorium.cli.options import (
    As,
    Epochs,
    Ignore,
    Json,
    Log,
    MediaRoot,
    Probes,
    Resume,
    RunFolder,
    Set,
    TablePath,
    Target,
    TimeLimit,
    Valid,
    parse_as,
    print_json,
    say,
    written,
)
from sensorium.training.console import Progress

__all__ = ["adapt"]


def adapt(
    run: RunFolder,
    table: TablePath,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The folder to save the adapted run to.")],
    train: Annotated[
        str, typer.Option("--train", help="What of RUN learns: heads, lora (adapters of all linear layers), all.")
    ] = "lora",
    target: Target = None,
    valid: Valid = None,
    setting: Set = None,
    epochs: Epochs = None,
    seed: Annotated[int | None, typer.Option(help="Of new weights, order, dropout and split.")] = None,
    time_limit: TimeLimit = None,
    ignore: Ignore = None,
    modality: As = None,
    media_root: MediaRoot = None,
    resume: Resume = False,
    probes: Probes = True,
    log: Log = None,
    json: Json = False,
) -> None:
    """Go on with RUN on the rows of TABLE: of another place, with new classes, with other columns. RUN stays as it is.

    Example: sensorium adapt run/ new.csv --out adapted/
    """
    from sensorium.fitting import adapt as learn

    training = written(epochs=epochs, seed=seed, time_limit=time_limit, probes=None if probes else False)
    with Progress() as progress:
        predictor = learn(
            run, table, train=train, target=target, valid=valid, out=out, settings=setting or [], ignore=ignore or [],
            modalities=parse_as(modality), media_root=media_root, resume=resume, log=log or [], say=say,
            report=progress, **training,
        )  # fmt: skip
    if json:
        print_json({"run": str(out), **predictor.metrics})
        return
    for name, found in predictor.metrics["targets"].items():
        show(name, found)
    print(f"{predictor.metrics['stopped']}; {predictor.metrics['seconds']['total']:.0f} s. Saved to {out}.")
