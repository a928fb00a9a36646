"""What mkdocs makes beside the written pages: the reference of options and commands, the measured results, and formulas.

Nothing of it is kept in the repository, so it can't be out of date.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sensorium.cli.app import app
from sensorium.config import options
from sensorium.config.encoders import ENCODERS
from sensorium.config.fusions import FUSIONS
from sensorium.config.inputs import INPUTS

ROOT = Path(__file__).parents[1]
BESIDE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}  # of the root, with their place


def on_files(files: Files, config: Any) -> Files:
    pages = {"reference/configuration.md": configuration(), "reference/commands.md": commands()}
    pages |= {f"results/{path.name}": path.read_text() for path in (ROOT / "benchmarks/results").glob("*.md")}
    pages |= {place: (ROOT / name).read_text() for name, place in BESIDE.items()}
    for place, text in pages.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **more: Any) -> str:
    up = "../" * page.file.src_uri.count("/")
    markdown = re.sub(r"\]\((?:\.\./)+benchmarks/results/([\w.]+\.md)", rf"]({up}results/\1", markdown)
    for name, place in BESIDE.items():
        markdown = re.sub(rf"\]\((?:\.\./)+{re.escape(name)}", f"]({up}{place}", markdown)
        if page.file.src_uri == place:  # written to be read in the root
            markdown = re.sub(r"\]\(docs/", "](", markdown)
            markdown = re.sub(r"\]\(benchmarks/results/", "](results/", markdown)
    # Code and other files of the repository have no page: their names stay, without a link.
    markdown = re.sub(r"\[([^\]]+)\]\((?:\.\./)*(?:src|examples|benchmarks|tests)/[^)]*\)", r"\1", markdown)
    # What draws Mermaid would be fetched from elsewhere.
    return formulas(markdown.replace("```mermaid", "```text"))


def formulas(markdown: str) -> str:
    """$...$ and $$...$$ outside code as MathML, which browsers draw by themselves."""
    pieces = re.split(r"(^```.*?^```|`[^`\n]+`)", markdown, flags=re.DOTALL | re.MULTILINE)
    for place in range(0, len(pieces), 2):
        text = re.sub(r"\$\$(.+?)\$\$", lambda m: convert(m[1], display="block"), pieces[place], flags=re.DOTALL)
        pieces[place] = re.sub(r"(?<![\\$])\$([^$\n]+)\$(?!\$)", lambda m: convert(m[1]), text)
    return "".join(pieces)


def configuration() -> str:
    """Every section of the configuration with its options, from the models that check them."""
    parts = ["# The configuration\n", (options.Config.__doc__ or "").split("`inputs`")[0]]
    parts.append(
        "\n`sensorium init TABLE --target COLUMN -o config.yaml` writes one whole; `--set training.epochs=5` changes one "
        "option. An option left empty gets its value from the table. Numbers outside what is said here are errors.\n"
    )
    for name, field in options.Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            parts.append(section(f"`{name}`", field.annotation, 2))
    parts += ["## `targets`\n", section("classes, labels and numbers", options.Target, 3)]
    parts += [
        section("texts", options.TextTarget, 3),
        "## `inputs`\n",
        "One entry an input: its modality, column, encoder.\n",
    ]
    parts += [section(f"`modality: {name}`", found, 3) for name, found in INPUTS.items()]
    parts.append("## Encoders\n")
    seen: set[type] = set()
    for found in ENCODERS.values():
        for name, encoder in found.items():
            if encoder not in seen:
                among = [other for other, own in ENCODERS.items() if own.get(name) is encoder]
                parts.append(section(f"`encoder: {{type: {name}}}` ({', '.join(among)})", encoder, 3))
                seen.add(encoder)
    parts.append("## `fusion`\n")
    parts += [section(f"`fusion: {{type: {name}}}`", found, 3) for name, found in FUSIONS.items()]
    return "\n".join(parts)


def section(title: str, model: type[BaseModel], level: int) -> str:
    rows = [
        f"| `{name}` | {values(field)} | {default(field)} | {cell(field.description or '')} |"
        for name, field in model.model_fields.items()
        if name not in {"type", "modality", "encoder"}
    ]
    told = (model.__doc__ or "").strip()
    table = ["| option | values | default | |", "|---|---|---|---|", *rows] if rows else ["No options."]
    return "\n".join([f"{'#' * level} {title}", "", *([re.sub(r"\n\s+", " ", told), ""] if told else []), *table, ""])


def values(field: FieldInfo) -> str:
    kind = str(field.annotation)
    for old, new in (("typing.", ""), ("<class '", ""), ("'>", ""), (" | None", ""), ("NoneType", "none")):
        kind = kind.replace(old, new)
    kind = re.sub(r"Annotated\[(\w+),.*?\)\]", r"\1", kind)
    choice = re.search(r"Literal\[(.*?)\]", kind)
    kind = ", ".join(re.findall(r"'([^']+)'", choice[1])) if choice else kind
    bounds = [f"{sign} {getattr(bound, key)}" for bound in field.metadata for key, sign in SIGNS if hasattr(bound, key)]
    return cell(" ".join([kind, *([f"({', '.join(bounds)})"] if bounds else [])]))


SIGNS = [("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")]


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if value is None else f"`{value}`"


def commands() -> str:
    """Every command with its arguments and options, from the command line itself."""
    return "# The commands\n\n" + "\n".join(described("sensorium", typer.main.get_command(app)))


def described(path: str, group: click.Group) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from described(f"{path} {name}", command)
            continue
        context = click.Context(command, info_name=f"{path} {name}")
        usage = " ".join(command.collect_usage_pieces(context))
        title = f"{path} {name}".removeprefix("sensorium ")
        yield f"## `{title}`\n\n```text\n{path} {name} {usage}\n```\n\n{told(command.help or '')}\n"
        rows = [row(parameter, context) for parameter in command.params if parameter.name != "help"]
        yield "\n".join(["| | |", "|---|---|", *rows, ""])


def told(text: str) -> str:
    lead, _, example = text.partition("Example:")
    return lead.strip() + (f"\n\n```text\n{example.strip()}\n```" if example else "")


def row(parameter: Any, context: click.Context) -> str:
    name = " ".join([*parameter.opts, *parameter.secondary_opts])
    if isinstance(parameter, click.Argument) or not name.startswith("-"):
        name = parameter.make_metavar(context)
    elif not getattr(parameter, "is_flag", False):
        name += f" {parameter.make_metavar(context)}"
    return f"| `{cell(name)}` | {cell(getattr(parameter, 'help', None) or '')} |"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
