"""sensorium predict"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import (
    CacheSize,
    Cluster,
    Json,
    MediaRoot,
    Redact,
    RunFolder,
    TablePath,
    Workers,
    print_json,
    say,
    written,
)

__all__ = ["predict"]


def predict(
    run: RunFolder,
    table: TablePath,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help=".csv, .tsv, .parquet, .jsonl")
    ] = None,
    coverage: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Add what holds the truth in so many rows, such as 0.9.")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option("--classes", metavar="YAML", help="Classes and texts that describe them, a line a class."),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="NAME", help="With --classes: the input that reads such texts.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="Draw the tokens of texts; the lower, the likelier ones.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", metavar="SHARE", help="Draw from the likeliest tokens of this probability."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn.")] = None,
    redact: Redact = False,
    media_root: MediaRoot = None,
    cluster: Cluster = None,
    workers: Workers = None,
    cache_size: CacheSize = None,
    json: Json = False,
) -> None:
    """Answer the rows of TABLE, in their order: the target, and a probability column for each class.

    With --coverage 0.9 also sets of classes, or intervals of numbers, that hold the truth in 90 % of such rows.
    With --classes, of a run of `sensorium pretrain`: which of the classes' descriptions is nearest to each row.
    A run that was fitted with --redact redacts all that it reads; with --redact another one does, too.
    Texts are the likeliest ones, or drawn with any of --temperature, --top-p and --seed.
    With --cluster, by many processes: TABLE may be of any size, and the same command goes on after whatever stopped it.
    FILE without an ending is then a folder of Parquet files.

    Example: sensorium predict run/ new.csv -o predictions.csv
    """
    from sensorium.errors import ConfigError

    sample = written(temperature=temperature, top_p=top_p, seed=seed) if classes is None else {}
    if cluster is not None:
        if output is None or json:
            raise ConfigError("with --cluster the answers go to a file or folder: give -o OUTPUT, and no --json.")
        if classes is not None or redact:
            raise ConfigError(f"{'--redact' if redact else '--classes'} can't go with --cluster.")
        from sensorium.cluster.predict import predict as predict_parts

        rows = predict_parts(
            run, table, output, cluster, workers, coverage, sample or None, media_root, cache_size, say=say
        )
        say(f"{rows} rows written to {output}.")
        return
    if workers is not None or cache_size is not None:
        raise ConfigError("--workers and --cache-size are for --cluster; give that, too.")

    from sensorium.data.table import read_table, write_table
    from sensorium.data.text import redact_texts
    from sensorium.predictor import load
    from sensorium.search.zero_shot import read_classes

    if output is None and not json:
        raise ConfigError("give a file to write to with -o FILE, or --json.")
    if classes is not None and coverage is not None:
        raise ConfigError(
            "--coverage can't go with --classes: no validation rows have told how far they can be trusted."
        )
    if classes is None and text is not None:
        raise ConfigError("--text says which input reads the texts of --classes; give that, too.")
    predictor, rows = load(run), read_table(table, media_root)
    if redact:
        redact_texts(predictor.readers)
    if classes is None:
        answers = predictor.answers(rows, say, coverage, sample or None)
    else:
        found = predictor.zero_shot(rows, read_classes(classes), text=text, say=say)
        answers = found.add_prefix("class_")
        answers.insert(0, "class", found.idxmax(axis=1))
    if output is not None:
        write_table(answers, output)
        say(f"{len(answers)} rows written to {output}.")
    if json:
        infinite = {float("inf"): None, float("-inf"): None}  # of intervals; JSON has no such number
        print_json(answers.replace(infinite).to_dict(orient="records"))
