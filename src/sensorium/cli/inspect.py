"""sensorium inspect"""

from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.cli.options import As, Ignore, Json, MediaRoot, Redact, TablePath, Target, parse_as, print_json, table_of

__all__ = ["inspect"]


def inspect(
    table: TablePath,
    target: Target = None,
    valid: Annotated[
        Path | None, typer.Option("--valid", metavar="TABLE", help="Another split, for duplicates.")
    ] = None,
    ignore: Ignore = None,
    modality: As = None,
    redact: Redact = False,
    media_root: MediaRoot = None,
    json: Json = False,
) -> None:
    """Show what TABLE holds: every column's modality and why, missing and unreadable cells, balance, duplicates, leaks.

    With --redact also how much `fit --redact` would replace in each column of texts.

    Example: sensorium inspect train.csv --target label
    """
    from sensorium.data.audit import audit
    from sensorium.data.redaction import personal
    from sensorium.data.schema import guess_schema
    from sensorium.data.table import read_table

    rows = read_table(table, media_root)
    schema = guess_schema(rows, parse_as(modality), ignore or [])
    found = audit(rows, schema, target or [], None if valid is None else read_table(valid, media_root))
    if redact:
        found["personal"] = personal(rows, schema)
        for column in found["columns"]:
            column["problems"] = [{**problem, "item": "[FILE]"} for problem in column["problems"]]
    if json:
        print_json(found)
        return
    print(f"{rows.name}: {found['rows']} rows")
    table_of(
        ["column", "modality", "missing", "unreadable", "size or length", "why"],
        [[c["name"], c["modality"], c["missing"], c["unreadable"], measure(c), c["reason"]] for c in found["columns"]],
    )
    for column in found["columns"]:
        for problem in column["problems"][:3]:
            print(f"row {problem['row']}, column '{column['name']}': {problem['item']}: {problem['reason']}")
    for name, balance in found["targets"].items():
        if "classes" in balance:
            listed = ", ".join(f"{c} {n}" for c, n in list(balance["classes"].items())[:20])
            print(f"target '{name}': {len(balance['classes'])} classes ({listed}); {balance['missing']} rows without")
        else:
            print(f"target '{name}': numbers, quartiles {balance['quantiles']}; {balance['missing']} rows without")
    for duplicate in found["duplicates"]:
        print(f"duplicates: column '{duplicate['column']}': {duplicate['files']} files: {duplicate['kind']}")
    for leak in found["leaks"]:
        how = (
            f"alone tells {leak['accuracy']:.0%} of it" if "accuracy" in leak else f"names it in {leak['names_it']:.0%}"
        )
        print(f"warning: column '{leak['column']}' gives '{leak['target']}' away ({how}); leave it out with --ignore")
    for name, counts in found.get("personal", {}).items():
        listed = ", ".join(f"{kind} {count}" for kind, count in counts.items())
        print(f"redacted: column '{name}': {listed or 'nothing'}")
    for hint in found["hints"]:
        print(f"hint: {hint}")


def measure(column: dict[str, Any]) -> str:
    """Sizes in pixels, lengths in seconds or characters."""
    parts = []
    if "sizes" in column:
        (low, left), (high, right) = column["sizes"]["smallest"], column["sizes"]["largest"]
        parts.append(f"{left}x{low}" if (low, left) == (high, right) else f"{left}x{low}..{right}x{high}")
    if "seconds" in column:
        parts.append(f"{column['seconds']['shortest']:.1f}..{column['seconds']['longest']:.1f} s")
    if "characters" in column["facts"]:
        parts.append(f"{column['facts']['characters']:.0f} characters")
    if column["bag"] > 1:
        parts.append(f"up to {column['bag']} files")
    return ", ".join(parts)
