"""Arguments and options that several commands share, and how commands print."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.errors import ConfigError

__all__ = [
    "As", "CacheSize", "Cluster", "ConfigFile", "Epochs", "Ignore", "Inputs", "Json", "Log", "MediaRoot", "Preset", "Probes", "PublicKey", "Redact", "Resume",
    "RunFolder", "Set", "SplitBy", "SplitTime", "TablePath", "Target", "TimeLimit", "Valid", "Workers", "parse_as", "print_json", "say", "table_of", "written",
]  # fmt: skip

TablePath = Annotated[Path, typer.Argument(metavar="TABLE", help="A table: .csv, .tsv, .parquet or .jsonl.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A finished fit: its folder, or its .sensorium file.")]
Target = Annotated[list[str] | None, typer.Option("--target", help="The column to learn; may be given several times.")]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", help="A column to leave out; may be given several times.")
]
Inputs = Annotated[
    list[str] | None, typer.Option("--input", metavar="NAME", help="Read only this; may be given several times.")
]
As = Annotated[list[str] | None, typer.Option("--as", metavar="COLUMN=MODALITY", help="What a column is: photo=image.")]
CacheSize = Annotated[
    int | None, typer.Option("--cache-size", metavar="MB", help="Of decoded media kept on disk; 0: none.")
]
Cluster = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="Run on a Ray cluster: local, auto, or HOST:PORT."),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A YAML file, as `sensorium init` writes it.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY.PATH=VALUE", help="One option over the config.")]
MediaRoot = Annotated[Path | None, typer.Option("--media-root", help="Where paths in cells start; the table's folder.")]
Valid = Annotated[Path | None, typer.Option("--valid", metavar="TABLE", help="Rows to validate with.")]
SplitBy = Annotated[
    str | None, typer.Option("--split-by", metavar="COLUMN", help="Rows of one value of it stay on one side.")
]
SplitTime = Annotated[
    str | None, typer.Option("--split-time", metavar="COLUMN", help="The latest rows by it validate.")
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the rows, at most.")]
TimeLimit = Annotated[float | None, typer.Option("--time-limit", metavar="SECONDS", help="Done by then.")]
Preset = Annotated[
    str, typer.Option("--preset", help="fast: seconds; balanced; best: several networks that answer as one.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where this command stopped.")]
Probes = Annotated[bool, typer.Option(help="Score every input alone after training.")]
PublicKey = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="The public key of who must have signed it.")
]
Redact = Annotated[
    bool, typer.Option("--redact", help="Replace addresses and numbers of people in texts: e-mail, phone, cards, IDs.")
]
Log = Annotated[
    list[str] | None,
    typer.Option("--log", metavar="LOGGER", help="csv or tensorboard: curves in RUN/logs; may be given several times."),
]
Workers = Annotated[int | None, typer.Option("--workers", metavar="N", min=1, help="Processes of --cluster.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]


def say(line: str) -> None:
    """A line for people, on stderr."""
    print(line, file=sys.stderr, flush=True)


def written(**options: Any) -> dict[str, Any]:
    """The options that were given a value."""
    return {name: value for name, value in options.items() if value is not None}


def print_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=1))


def parse_as(pairs: list[str] | None) -> dict[str, str]:
    """`--as photo=image` as a dict; the last '=' counts, since a column's name may hold one."""
    found = {}
    for pair in pairs or []:
        column, equals, modality = pair.rpartition("=")
        if not equals or not column:
            raise ConfigError(f"--as must be COLUMN=MODALITY, such as photo=image; got '{pair}'.")
        found[column] = modality.strip()
    return found


def table_of(head: list[str], rows: list[list[Any]]) -> None:
    """Print a table for people on stdout."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=box.SIMPLE)
    for row in rows:
        table.add_row(*[Text(str(cell)) for cell in row])
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
