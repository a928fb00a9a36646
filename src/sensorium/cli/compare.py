"""sensorium compare"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium.cli.options import (
    As,
    ConfigFile,
    Epochs,
    Ignore,
    Json,
    MediaRoot,
    Set,
    SplitBy,
    TablePath,
    parse_as,
    print_json,
    say,
    written,
)

if TYPE_CHECKING:
    from sensorium.comparison.conclusion import Comparison

__all__ = ["compare"]


def compare(
    table: TablePath,
    target: Annotated[str | None, typer.Option("--target", help="The column to learn.")] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="For what is found; go on with what is in it.")
    ] = Path("comparison"),
    test: Annotated[
        Path | None, typer.Option("--test", metavar="TABLE", help="The rows to answer; else a fifth of TABLE.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", metavar="K", help="Answer every row, by models of the other folds.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Networks a cell; 1 is a quick look, 3 give intervals over seeds.")] = 1,
    pairs: Annotated[bool, typer.Option("--pairs", help="Compare every two inputs, too.")] = False,
    fusions: Annotated[
        str | None,
        typer.Option("--fusions", metavar="NAMES", help="Such as gated,concat, or none; all where left out."),
    ] = None,
    config: ConfigFile = None,
    setting: Set = None,
    epochs: Epochs = None,
    seed: Annotated[int | None, typer.Option(help="The first of --seeds, and that of the split.")] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            metavar="SECONDS",
            help="Shared fairly by the cells left to do; the same command again does those that got none.",
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(help="Cells at once, each in a process with rows and a model of its own in memory."),
    ] = 1,
    ignore: Ignore = None,
    modality: As = None,
    split_by: SplitBy = None,
    split_time: Annotated[
        str | None, typer.Option("--split-time", metavar="COLUMN", help="The latest rows by it are held out.")
    ] = None,
    media_root: MediaRoot = None,
    json: Json = False,
) -> None:
    """Every input of TABLE alone and all together, by classical models, CNNs and RNNs, and Transformers.

    Example: sensorium compare train.csv --target label
    """
    from sensorium.comparison.compare import compare as run

    training = written(epochs=epochs, seed=seed)
    split = written(by=split_by, time=split_time)
    found = run(
        table, target, test=test, out=out, folds=folds, seeds=seeds, pairs=pairs, fusions=parse_fusions(fusions),
        jobs=jobs, time_limit=time_limit, config=config, settings=setting or [], ignore=ignore or [],
        modalities=parse_as(modality), media_root=media_root, split=split, say=say, **training,
    )  # fmt: skip
    if json:
        from sensorium.export.archive import read_json

        print_json(read_json(out / "comparison.json"))
        return
    show(found)
    print(f"Saved to {out}: comparison.csv, comparison.json, comparison.svg, answers.csv.")


def parse_fusions(names: str | None) -> list[str] | None:
    """`--fusions gated,concat` as a list; `none` is an empty one."""
    if names is None:
        return None
    return [] if names == "none" else [name.strip() for name in names.split(",") if name.strip()]


def show(found: "Comparison") -> None:
    """The table, best first, and the sentence."""
    import pandas as pd

    from sensorium.cli.options import table_of

    many = max((row["inputs"] for row in found.frame.to_dict("records")), key=lambda inputs: inputs.count(" + "))

    def line(row: dict[str, Any]) -> list[str]:
        inputs = "all" if row["inputs"] == many and " + " in many else row["inputs"]
        cells = [row["generation"], row["model"], inputs, row["fusion"]]
        if pd.isna(row["score"]):
            return [*cells, "-", "", "", "", row["note"]]
        told = "; ".join(filter(None, [row["standing"], row["note"]]))
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        return [*cells, f"{row['score']:.3f}", interval, f"{row['seconds']:.1f}", f"{row['parameters']:,.0f}", told]

    rows = [line(row) for row in found.frame.to_dict("records")]
    table_of(["generation", "model", "inputs", "fusion", found.metric, "95 %", "seconds", "parameters", ""], rows)
    if found.majority is not None:
        print(f"Always the same answer: {found.metric} {found.majority:.3f}.")
    print(found.sentence)
    if len(rows) > 1:
        print(f"The best of {len(rows)} is partly the luckiest: new rows are likely to score a little lower.")
