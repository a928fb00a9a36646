"""sensorium evaluate"""

from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.cli.options import Json, MediaRoot, RunFolder, TablePath, print_json, say, table_of

__all__ = ["evaluate"]


def evaluate(
    run: RunFolder,
    table: TablePath,
    media_root: MediaRoot = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Score every subset of the inputs, and growing damage to each.")
    ] = False,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", metavar="SECONDS", help="For --robustness; then fewer rows do.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For --robustness: of rows' order and the damage.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help=".json, .csv, .tsv, .parquet, .jsonl")
    ] = None,
    json: Json = False,
) -> None:
    """Score RUN on the labelled rows of TABLE, with 95 % bootstrap intervals.

    Example: sensorium evaluate run/ test.csv
    """
    from sensorium.predictor import load

    predictor = load(run)
    if robustness:
        found = predictor.robustness(table, media_root, seed, time_limit, say)
    else:
        found = predictor.evaluate(table, media_root, say=say)
    if output is not None:
        write(found, robustness, output)
        say(f"written to {output}.")
    if json:
        print_json(found)
    elif robustness:
        show_robustness(found)
    else:
        show(found)


def write(found: dict[str, Any], robustness: bool, path: Path) -> None:
    """All that was found as JSON, or the scores as the rows of a table."""
    import pandas as pd

    from sensorium.data.table import write_table
    from sensorium.evaluation.robustness import flat
    from sensorium.export.archive import write_json

    if path.suffix.lower() == ".json":
        write_json(path, found)
    elif robustness:
        write_table(pd.DataFrame(flat(found)), path)
    else:
        write_table(pd.DataFrame([{"metric": name, **score} for name, score in found["metrics"].items()]), path)


def show(found: dict[str, Any]) -> None:
    """Metrics for people, and how far the answers can be trusted."""
    rows = [[name, f"{m['value']:.4f}", f"{m['low']:.4f}", f"{m['high']:.4f}"] for name, m in found["metrics"].items()]
    table_of(["metric", "value", "low", "high"], rows)
    for name, trust in found["trust"].items():
        if "sets" in trust:
            asked, covered, size = (trust["sets"][key] for key in ("asked", "covered", "size"))
            kind = "intervals" if "deviation" in trust else "sets"
            mean = (
                "infinite"
                if size is None
                else f"{size:.4g} wide"
                if kind == "intervals"
                else f"{size:.2f} classes on average"
            )
            print(f"{name}: {kind} for {asked:.0%} hold the truth in {covered:.1%} of the rows; {mean}.")
    print(f"{found['rows']} rows; {found['left_out']} left out.")


def show_robustness(found: dict[str, Any]) -> None:
    """For each target: its inputs one by one, how many of them are there, and every curve."""

    def cell(score: float | None) -> str:
        return "-" if score is None else f"{score:.3f}"

    for name, target in found["targets"].items():
        print(f"{name}: {target['metric']} {cell(target['clean'])}; always the same answer: {cell(target['majority'])}")
        inputs = target["inputs"]
        rows = [[key, *(cell(told[part]) for part in ("alone", "without", "half"))] for key, told in inputs.items()]
        table_of(["input", "alone", "without it", "half of the rows without it"], rows)
        by_count: dict[int, list[float]] = {}
        for subset in target["subsets"]:
            if subset["score"] is not None:
                by_count.setdefault(len(subset["inputs"]), []).append(subset["score"])
        rows = [
            [count, len(scores), *(cell(part) for part in (min(scores), sum(scores) / len(scores), max(scores)))]
            for count, scores in sorted(by_count.items())
        ]
        table_of(["inputs present", "subsets", "least", "mean", "most"], rows)
        rows = [
            [key, kind, ", ".join(f"{amount:g}" for amount in curve["amounts"][1:]) + f" {curve['unit']}",
             *(cell(score) for score in curve["scores"]), cell(curve["area"])]
            for key, told in inputs.items() for kind, curve in told["curves"].items()
        ]  # fmt: skip
        if rows:
            table_of(["input", "damage", "levels 1 to 4", "clean", "1", "2", "3", "4", "area"], rows)
    of = "" if found["rows"] == found["of"] else f" of {found['of']}"
    print(f"{found['rows']}{of} rows, in {found['seconds']:.0f} s.")
