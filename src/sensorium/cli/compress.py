"""sensorium compress"""

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import (
    Epochs,
    Json,
    MediaRoot,
    RunFolder,
    TablePath,
    Valid,
    print_json,
    say,
    table_of,
    written,
)

__all__ = ["compress"]


def compress(
    run: RunFolder,
    table: TablePath,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="For the smaller runs, a table and a plot.")],
    share: Annotated[
        list[float] | None,
        typer.Option("--share", help="Of RUN's sizes; may be given several times. 0.5 and 0.25 where left out."),
    ] = None,
    valid: Valid = None,
    test: Annotated[
        Path | None, typer.Option("--test", metavar="TABLE", help="Rows to score by; those of --valid where left out.")
    ] = None,
    unlabelled: Annotated[
        Path | None, typer.Option("--unlabelled", metavar="TABLE", help="More rows, whose targets are not read.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Of RUN's answers: higher tells more of unlikely classes.")] = 4.0,
    soft: Annotated[
        float, typer.Option(help="Share of RUN's answers in what is learned; the truth has the rest.")
    ] = 0.7,
    pruned: Annotated[
        bool, typer.Option("--pruned/--anew", help="Begin with RUN's most important features, or with none.")
    ] = True,
    epochs: Epochs = None,
    seed: Annotated[int | None, typer.Option(help="Of new weights, order and dropout.")] = None,
    media_root: MediaRoot = None,
    json: Json = False,
) -> None:
    """Smaller runs that learn from RUN's answers to TABLE, and what each is worth and costs.

    Example: sensorium compress run/ train.csv --test test.csv --out small/
    """
    from sensorium.compression.compress import SHARES
    from sensorium.compression.compress import compress as learn

    front = learn(
        run, table, out=out, shares=share or SHARES, valid=valid, unlabelled=unlabelled, test=test, media_root=media_root,
        temperature=temperature, soft=soft, pruned=pruned, say=say, **written(epochs=epochs, seed=seed),
    ).to_dict(orient="records")  # fmt: skip
    if json:
        print_json(front)
        return
    metric = front[0]["metric"]
    table_of(
        ["share", metric, "95 %", "parameters", "MiB", "FLOPs a row", "ms, 1 row", "ms, 32 rows", ""],
        [
            [row["model"], f"{row['score']:.3f}", f"[{row['low']:.3f}, {row['high']:.3f}]", f"{row['parameters']:,}",
             f"{row['bytes'] / 2**20:.2f}", f"{row['flops'] / 1e6:.1f} M", f"{row['ms_1']:.2f}", f"{row['ms_32']:.2f}",
             "" if row["on_front"] else "another is no worse in anything"]
            for row in front
        ],
    )  # fmt: skip
    print(f"Saved to {out}: a run for each share, front.csv, front.svg.")
