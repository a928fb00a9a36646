"""sensorium evaluate"""

from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.cli.options import Json, MediaRoot, RunFolder, TablePath, print_json, say, table_of
from sensorium.errors import ConfigError

__all__ = ["evaluate"]


def evaluate(
    run: RunFolder,
    table: TablePath,
    media_root: MediaRoot = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Score the rows of each of its values, too.")
    ] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Score every subset of the inputs, and growing damage to each.")
    ] = False,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", metavar="SECONDS", help="For --robustness; then fewer rows do.")
    ] = None,
    privacy: Annotated[
        bool, typer.Option("--privacy", help="How well can be told which rows of --train the run learned from.")
    ] = False,
    train: Annotated[
        Path | None, typer.Option("--train", metavar="TABLE", help="For --privacy: what the run learned from.")
    ] = None,
    shadows: Annotated[
        int, typer.Option("--shadows", metavar="N", help="For --privacy: attack with N fits of the same kind, too.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="For --robustness and --privacy: of all that is drawn.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help=".json, .csv, .tsv, .parquet, .jsonl")
    ] = None,
    json: Json = False,
) -> None:
    """Score RUN on the labelled rows of TABLE, with 95 % bootstrap intervals.

    Of a run of `sensorium pretrain`: how often one input of a row finds the row's others among all rows.

    Example: sensorium evaluate run/ test.csv
    """
    from sensorium.predictor import load

    if robustness and by is not None:
        raise ConfigError("--by can't go with --robustness. Leave one of them out.")
    if privacy and (robustness or by is not None):
        raise ConfigError("--privacy goes neither with --robustness nor with --by. Leave them out.")
    if privacy != (train is not None):
        raise ConfigError("--privacy and --train TABLE, what the run learned from, go together. Give both.")
    predictor = load(run)
    if privacy:
        found = predictor.privacy(table, train, shadows, seed, media_root, say)
    elif robustness:
        found = predictor.robustness(table, media_root, seed, time_limit, say)
    else:
        found = predictor.evaluate(table, media_root, by=by, say=say)
    if output is not None:
        write(found, output)
        say(f"written to {output}.")
    if json:
        print_json(found)
    elif privacy:
        show_privacy(found)
    elif robustness:
        show_robustness(found)
    else:
        show(found)


def write(found: dict[str, Any], path: Path) -> None:
    """All that was found as JSON, or the scores as the rows of a table."""
    import pandas as pd

    from sensorium.data.table import write_table
    from sensorium.evaluation.by_group import flat_groups
    from sensorium.evaluation.robustness import flat
    from sensorium.export.archive import write_json
    from sensorium.privacy.leaks import flat_leaks

    if path.suffix.lower() == ".json":
        write_json(path, found)
    elif "targets" in found:  # attacks, or robustness
        rows = flat(found) if isinstance(found["rows"], int) else flat_leaks(found)
        write_table(pd.DataFrame(rows), path)
    elif "by" in found:
        write_table(pd.DataFrame(flat_groups(found)), path)
    else:
        write_table(pd.DataFrame([{"metric": name, **score} for name, score in found["metrics"].items()]), path)


def show(found: dict[str, Any]) -> None:
    """Metrics for people, and how far the answers can be trusted."""
    if "pairs" in found:
        show_retrieval(found)
        return
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
    if "by" in found:
        show_groups(found["by"])
    print(f"{found['rows']} rows; {found['left_out']} left out.")


def show_groups(by: dict[str, Any]) -> None:
    """Each group's rows and metrics, the compared one first with its interval, and the worst group marked."""

    def cell(score: dict[str, float] | None, interval: bool) -> str:
        if score is None:
            return "-"
        return f"{score['value']:.3f}" + (f"  [{score['low']:.3f}, {score['high']:.3f}]" if interval else "")

    main = by["main"]
    names = [main, *(n for n in dict.fromkeys(n for g in by["groups"].values() for n in g["metrics"]) if n != main)]
    rows = [
        [name or "(empty)", group["rows"], *(cell(group["metrics"].get(n), n == main) for n in names[:4]),
         "worst" if name == by["worst"] and len(by["groups"]) > 1 else ""]
        for name, group in by["groups"].items()
    ]  # fmt: skip
    table_of([by["column"], "rows", *names[:4], ""], rows)


def show_retrieval(found: dict[str, Any]) -> None:
    """A line for each input as the query for each other one."""
    rows = []
    for pair in found["pairs"]:
        scores = {
            name: found["metrics"][f"{pair['query']}->{pair['finds']}.{name}"]
            for name in ("recall@1", "recall@5", "recall@10", "mrr", "median_rank")
        }
        first, median = scores["recall@1"], scores.pop("median_rank")
        rows.append(
            [
                pair["query"],
                pair["finds"],
                *(f"{score['value']:.3f} ({score['random']:.3f})" for score in scores.values()),
            ]
        )
        rows[-1].insert(3, f"[{first['low']:.3f}, {first['high']:.3f}]")
        rows[-1] += [f"{median['value']:g} ({median['random']:g})", pair["rows"]]
    table_of(["query", "finds", "recall@1", "95 %", "recall@5", "recall@10", "mrr", "median rank", "rows"], rows)
    print(f"In parentheses what chance finds. {found['rows']} rows; {found['left_out']} left out.")


def show_privacy(found: dict[str, Any]) -> None:
    """A line for each target and attack."""
    metrics = ("advantage", "auc", "tpr_at_1_fpr")
    rows = [
        [name, "loss" if attack == "loss" else f"{told['models']} shadow models",
         *(f"{told[m]['value']:.3f}  [{told[m]['low']:.3f}, {told[m]['high']:.3f}]" for m in metrics)]
        for name, attacks in found["targets"].items() for attack, told in attacks.items()
    ]  # fmt: skip
    table_of(["target", "attack", "advantage (chance 0)", "AUC (chance 0.5)", "found at 1 % false alarms"], rows)
    print(f"{found['rows']['learned']} rows learned from, {found['rows']['unseen']} never seen.")


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
