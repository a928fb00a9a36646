"""sensorium explain"""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.cli.options import Json, MediaRoot, RunFolder, TablePath, print_json, say, table_of
from sensorium.errors import ConfigError

__all__ = ["explain"]

MOST_ROWS = 1000  # explained one by one


def explain(
    run: RunFolder,
    table: TablePath,
    rows: Annotated[
        str | None,
        typer.Option("--rows", metavar="NUMBERS", help="Rows to explain, such as 3,7 or 10-20; 1 is the first."),
    ] = None,
    target: Annotated[str | None, typer.Option("--target", help="Which one, where the run has several.")] = None,
    label: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="With --rows: why this class, and not the row's answer."),
    ] = None,
    parts: Annotated[
        bool, typer.Option(help="With --rows: also what counts inside each input: pixels, words, seconds.")
    ] = True,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="Of those: auto, integrated_gradients, grad_cam, rollout, shapley.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Without --rows: of intervals, and of which rows, of very many.")] = 0,
    out_of_fold: Annotated[
        bool,
        typer.Option(
            "--out-of-fold", help="Without --rows: TABLE is what RUN learned from, with folds; for label errors."
        ),
    ] = False,
    media_root: MediaRoot = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help=".html, which shows most, or .json")
    ] = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="Of the page: en or zh.")] = "en",
    json: Json = False,
) -> None:
    """Why RUN answers rows of TABLE as it does: what each input adds, what pairs of them do, and what counts inside each.

    Without --rows all rows together: how much each input matters, and which rows are worth a look: those that rest on one
    input, whose inputs disagree, whose answer turns when one is missing, whose label is likely wrong.

    Example: sensorium explain run/ test.csv --rows 3,7 -o why.html
    """
    from sensorium.explain.words import words_of
    from sensorium.predictor import load

    if output is not None and output.suffix.lower() not in {".html", ".json"}:
        raise ConfigError(f"-o must be a .html or a .json file; got {output.name}.")
    if rows is None and label is not None:
        raise ConfigError("--class is for single rows; give them with --rows, such as --rows 3,7.")
    words_of(language)  # before anything is computed
    numbers = None if rows is None else numbers_of(rows)
    predictor = load(run)
    if numbers is None:
        found = predictor.overview(table, target, media_root, seed, out_of_fold, say)
    else:
        found = predictor.explain(table, numbers, target, label, parts, method, media_root, say)
    if output is not None:
        write(found, output, language)
        say(f"written to {output}.")
    if json:
        print_json(found.to_json())
    elif numbers is None:
        show_overview(found)
    else:
        for one in found:
            show(one)


def numbers_of(text: str) -> list[int]:
    """The row numbers in such as 3,7,10-20.

    Example:
        >>> numbers_of("7, 2-4")
        [7, 2, 3, 4]
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", part)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise ConfigError(f"--rows must be numbers and ranges of rows, such as 3,7 or 10-20; got '{text:.40}'.")
        rows = range(int(match[1]), int(match[2] or match[1]) + 1)
        if len(found) + len(rows) > MOST_ROWS:
            raise ConfigError(
                f"--rows must name {MOST_ROWS:,} rows at most; got '{text}'. Leave it out for all together."
            )
        found.extend(rows)
    return found


def write(found: Any, path: Path, language: str) -> None:
    """A page, or plain data."""
    from sensorium.data.table import write_atomically
    from sensorium.export.archive import write_json

    if path.suffix.lower() == ".json":
        write_json(path, found.to_json())
    else:
        write_atomically(path, found.page(language).encode())


def show(one: Any) -> None:
    """One row for people: its inputs, the pairs that do something together, the words and columns that count most."""
    from sensorium.explain.explanation import plain

    print(one.headline())
    most = max(map(abs, one.values.values()), default=0) or 1
    rows = [
        [name, f"{value:+.3f}", ("+" if value > 0 else "-") * round(20 * abs(value) / most)]
        + ([plain(one.alone[name]), plain(one.without[name])] if name in one.alone else ["(missing)", ""])
        for name, value in one.values.items()
    ]
    table_of(["input", "adds", "", "alone says", "without it"], rows)
    pairs = sorted(one.interactions.items(), key=lambda pair: -abs(pair[1]))[:5]
    if pairs:
        table_of(["pair", "adds together"], [[" and ".join(pair), f"{value:+.3f}"] for pair, value in pairs])
    for name, part in one.parts.items():
        if part.labels:
            best = sorted(zip(part.labels, part.values.tolist(), strict=True), key=lambda piece: -abs(piece[1]))[:8]
            print(f"{name}: " + ", ".join(f"{label} {value:+.3f}" for label, value in best))


def show_overview(found: Any) -> None:
    """The inputs' importance, and how many rows are worth a look, with the first of them."""
    rows = [
        [one.input, f"{one.present:.0%}", f"{one.size:.3f}  [{one.low:.3f}, {one.high:.3f}]"]
        + ([] if one.worth != one.worth else [f"{one.worth:+.3f}  [{one.worth_low:+.3f}, {one.worth_high:+.3f}]"])
        for one in found.importance.itertuples()
    ]
    head = ["input", "rows with it", "moves the answer by", "takes from the loss"]
    table_of(head[: max(map(len, rows))], rows)
    pairs = found.pairs.sort_values("size", ascending=False).dropna().head(5)
    if len(pairs):
        rows = [[f"{one.first} and {one.second}", f"{one.mean:+.3f}", f"{one.size:.3f}"] for one in pairs.itertuples()]
        table_of(["pair", "adds together", "size"], rows)
    lists = {
        "rest on one input": found.alone,
        "have inputs that pull to different answers": found.disagreements,
        "turn when an input is missing": found.turns,
        "have a label that is likely wrong": found.label_errors,
    }
    for words, frame in lists.items():
        if frame is not None:
            numbers = list(dict.fromkeys(frame["row"].tolist()))
            shown = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
            print(f"{len(numbers)} rows {words}" + (f": {shown}." if numbers else "."))
    print(f"{len(found.answers)} of {found.of} rows of target {found.target}.")
