"""sensorium tune"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sensorium.cli.options import (
    As,
    Cluster,
    ConfigFile,
    Epochs,
    Ignore,
    Json,
    MediaRoot,
    Set,
    SplitBy,
    SplitTime,
    TablePath,
    Target,
    Valid,
    Workers,
    parse_as,
    print_json,
    say,
    written,
)
from sensorium.errors import ConfigError
from sensorium.training.console import Progress

if TYPE_CHECKING:
    from sensorium.tuning.outcome import Tuning

__all__ = ["tune"]

SHOWN = 5  # trials


def tune(
    table: TablePath,
    target: Target = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="For what is found; go on with what is in it.")
    ] = Path("tuning"),
    valid: Valid = None,
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="TABLE", help="Rows no trial sees: the best and the defaults there."),
    ] = None,
    trials: Annotated[int, typer.Option(help="How many there are to be at the end.")] = 30,
    time_limit: Annotated[
        float | None,
        typer.Option("--time-limit", metavar="SECONDS", help="Stop by then; the same command goes on."),
    ] = None,
    pruner: Annotated[
        str, typer.Option(help="Cuts trials short by the validation loss: median, hyperband or none.")
    ] = "median",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="PATH", help="Choose this alone, such as fusion; may be given several times."),
    ] = None,
    config: ConfigFile = None,
    setting: Set = None,
    epochs: Epochs = None,
    seed: Annotated[int | None, typer.Option(help="Of the search, and of each trial as of a fit.")] = None,
    ignore: Ignore = None,
    modality: As = None,
    split_by: SplitBy = None,
    split_time: SplitTime = None,
    media_root: MediaRoot = None,
    cluster: Cluster = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Search for the encoders, the fusion and the options that answer the validation rows of TABLE best.

    Example: sensorium tune train.csv --target label --time-limit 3600
    """
    if cluster is not None:
        from sensorium.cluster.tune import tune as on_cluster

        search = partial(on_cluster, address=cluster, workers=workers)
    elif workers is not None:
        raise ConfigError("--workers: for --cluster alone, which is not given.")
    else:
        from sensorium.tuning.tune import tune as search

    training = written(epochs=epochs, seed=seed)
    split = written(by=split_by, time=split_time)
    with Progress() as progress:
        found = search(
            table, target, valid=valid, test=test, out=out, trials=trials, time_limit=time_limit, pruner=pruner,
            only=only or [], config=config, settings=setting or [], ignore=ignore or [], modalities=parse_as(modality),
            media_root=media_root, split=split, say=say, report=progress, **training,
        )  # fmt: skip
    if json:
        from sensorium.export.archive import read_json

        print_json(read_json(out / "tuning.json"))
        return
    show(found)
    print(f"The run is {out / 'best'}; to fit it again: sensorium fit {table} --config {out / 'best.yaml'} --out RUN")


def show(found: "Tuning") -> None:
    """The best trials, what the score depends on, and the sentences."""
    import pandas as pd

    from sensorium.cli.options import table_of

    names = [name for name in found.frame.columns if name.endswith(".type")]
    scored = found.frame.dropna(subset="score").sort_values(["score", "loss"], ascending=[found.falling, True])

    def cell(value: object) -> str:
        return "" if pd.isna(value) else str(value)

    rows = [
        [row["trial"], f"{row['score']:.3f}", f"{row['loss']:.3f}", f"{row['training.learning_rate']:.2g}"
         if "training.learning_rate" in row else "", *(cell(row[name]) for name in names), cell(row["note"])]
        for row in scored.head(SHOWN).to_dict("records")
    ]  # fmt: skip
    head = [name.removeprefix("inputs.").removesuffix(".type") for name in names]
    table_of(["trial", found.metric, "loss", "learning rate", *head, ""], rows)
    if found.importance:
        shares = [[name, f"{share:.0%}"] for name, share in list(found.importance.items())[:SHOWN]]
        table_of(["what the score depends on", "share"], shares)
    print(found.sentence)
