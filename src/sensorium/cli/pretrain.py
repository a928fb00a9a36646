"""sensorium pretrain"""

from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.cli.fit import Progress
from sensorium.cli.options import As, ConfigFile, Ignore, Json, MediaRoot, Set, TablePath, parse_as, print_json, say

__all__ = ["pretrain"]


def pretrain(
    table: TablePath,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The folder to save the run to.")],
    valid: Annotated[Path | None, typer.Option("--valid", metavar="TABLE", help="Rows to validate with.")] = None,
    config: ConfigFile = None,
    setting: Set = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows, at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order, what is hidden and split.")] = None,
    time_limit: Annotated[float | None, typer.Option("--time-limit", metavar="SECONDS", help="Done by then.")] = None,
    ignore: Ignore = None,
    modality: As = None,
    media_root: MediaRoot = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where this command stopped.")] = False,
    json: Json = False,
) -> None:
    """Learn from the rows of TABLE without labels; `sensorium fit --from RUN` goes on from there with a few.

    Leave the target out with --ignore. RUN also tells how strange rows are: see `sensorium anomaly`.

    Example: sensorium pretrain all.csv --ignore label --out pretrained/
    """
    from sensorium.cli.options import table_of
    from sensorium.fitting import pretrain as learn

    training: dict[str, Any] = {"epochs": epochs, "seed": seed, "time_limit": time_limit}
    training = {name: value for name, value in training.items() if value is not None}
    predictor = learn(
        table, valid=valid, out=out, config=config, settings=setting or [], ignore=ignore or [],
        modalities=parse_as(modality), media_root=media_root, resume=resume, say=say, report=Progress(), **training,
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
