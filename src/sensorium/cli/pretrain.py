"""sensorium pretrain"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import (
    As,
    ConfigFile,
    Epochs,
    Ignore,
    Json,
    Log,
    MediaRoot,
    Resume,
    Set,
    TablePath,
    TimeLimit,
    Valid,
    parse_as,
    print_json,
    say,
    written,
)
from sensorium.training.console import Progress

__all__ = ["pretrain"]


def pretrain(
    table: TablePath,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The folder to save the run to.")],
    valid: Valid = None,
    config: ConfigFile = None,
    setting: Set = None,
    epochs: Epochs = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order, what is hidden and split.")] = None,
    time_limit: TimeLimit = None,
    ignore: Ignore = None,
    modality: As = None,
    media_root: MediaRoot = None,
    resume: Resume = False,
    log: Log = None,
    json: Json = False,
) -> None:
    """Learn from the rows of TABLE without labels; `sensorium fit --from RUN` goes on from there with a few.

    Leave the target out with --ignore. RUN also tells how strange rows are: see `sensorium anomaly`.

    Example: sensorium pretrain all.csv --ignore label --out pretrained/
    """
    from sensorium.cli.options import table_of
    from sensorium.fitting import pretrain as learn

    training = written(epochs=epochs, seed=seed, time_limit=time_limit)
    with Progress() as progress:
        predictor = learn(
            table, valid=valid, out=out, config=config, settings=setting or [], ignore=ignore or [],
            modalities=parse_as(modality), media_root=media_root, resume=resume, log=log or [], say=say,
            report=progress, **training,
        )  # fmt: skip
    if json:
        print_json({"run": str(out), **predictor.metrics})
        return
    found = predictor.metrics["pretraining"]
    if found["recall"]:
        rows = [
            [" + ".join(pair["inputs"]), f"{pair['recall']:.3f}", f"{pair['chance']:.3f}", pair["rows"]]
            for pair in found["recall"]
        ]
        table_of(["the nearest is of the same row (validation rows)", "share", "chance", "rows"], rows)
    print(f"{predictor.metrics['stopped']}; {predictor.metrics['seconds']['total']:.0f} s. Saved to {out}.")
