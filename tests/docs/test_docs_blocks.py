"""Every code block of the written pages runs, in a folder like a reader's: tables, media and a run.

A block that can't run here (it needs a server, a hub, hours) says so in a comment before it:
`<!-- not run: why -->`. One that repeats code names its file: ```python title="src/..."```. Blocks of output are `text`. What runs: `python`, the lines of a page one after another with
`sm`, `predictor` and `rows` at hand; `sh`, line by line, commands of sensorium within this process; `yaml`, which has to
be a configuration; `json`.
"""

import json
import os
import re
import shlex
import shutil
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import sensorium as sm
from sensorium import completion, encoders
from sensorium.cli.app import app
from sensorium.config import parse_config
from sensorium.examples import EXAMPLES, make_demo

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
)
LANGUAGES = {"json", "mermaid", "python", "sh", "text", "yaml"}
FASTER = {"3600": "20", "--epochs 12": "--epochs 1"}  # a reader has more time
FLOOR = {"python": 16, "sh": 30}  # found when this was written: should they vanish, the reading of pages is broken


class Block(NamedTuple):
    language: str
    text: str
    line: int
    excuse: str | None  # why it is not run
    quoted: str | None  # the file of the code that it repeats
    output: bool  # what commands before it print, in part; figures may differ


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text()
    found = re.finditer(
        r"(?:<!-- (?:not run: ([^\n]+)|(output)) -->\n)?^( *)```([^\n]*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE
    )
    return [
        Block(
            kind.split()[0] if kind else "",
            re.sub(rf"^{indent}", "", body, flags=re.MULTILINE),
            text[: match.start()].count("\n") + 1,
            excuse,
            next(iter(re.findall(r'title="([^"]+)"', kind)), None),
            output is not None,
        )
        for match in found
        for excuse, output, indent, kind, body in [match.groups()]
    ]


def runnable(page: str, language: str | None = None) -> list[Block]:
    wanted = {language} if language else {"json", "python", "sh", "yaml"}
    found = [block for block in blocks(page) if not (block.excuse or block.quoted)]
    return [block for block in found if block.language in wanted or (block.output and language is None)]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory, table, run):
    """What a reader has before the first page."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(table.parent, folder, dirs_exist_ok=True)
    shutil.copytree(run, folder / "run")
    rows = pd.read_csv(folder / "table.csv", dtype=str, keep_default_na=False)
    rows = rows.drop(columns=["clip", "pose"])  # what takes longest; the run counts them as missing
    rows["speaker"] = [("ada", "ben", "chen")[number % 3] for number in range(len(rows))]
    parts = {"all": rows, "train": rows[:24], "valid": rows[24:32], "test": rows[24:], "new": rows[32:]}
    parts |= {"labelled": rows[:16], "more": rows[24:].drop(columns="label")}
    for name, part in parts.items():
        part.to_csv(folder / f"{name}.csv", index=False)
    (folder / "classes.yaml").write_text("bright: [a bright day, sunshine]\ndark: a gloomy night\n")
    return folder


@pytest.fixture
def place(request, shelf, tmp_path, monkeypatch):
    """A page's own copy of it, in which its commands run; a tutorial begins with nothing."""
    folder = tmp_path / "place"
    page = request.node.callspec.params["page"]
    if "tutorial" in page:
        folder.mkdir()
    else:
        shutil.copytree(shelf, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr(completion, "EPOCHS", (1, 1))
    monkeypatch.setitem(EXAMPLES, "demo", lambda folder: make_demo(folder, (64, 24, 24)))  # of 480, 120 and 160 rows
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page):
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{page}, line {block.line}: ```{block.language}"


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.quoted for block in blocks(page))])
def test_quoted_lines_stand_in_their_files(page):
    for block in blocks(page):
        if block.quoted is not None:
            lines = [line.strip() for line in (ROOT / block.quoted).read_text().splitlines()]
            for line in block.text.splitlines():
                assert line.strip() in lines, f"{page}, line {block.line}: {block.quoted} has no line {line.strip()!r}"
                lines = lines[lines.index(line.strip()) + 1 :]


def test_all_pages_were_read():
    for language, floor in FLOOR.items():
        assert sum(len(runnable(page, language)) for page in PAGES) >= floor, language


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)])
def test_the_blocks_of_a_page_run(page, place):
    known = {"sm": sm, "predictor": LazyRun(), "rows": shelf_rows(place)}
    kept = {kind: dict(found) for kind, found in encoders.ENCODERS.items()}
    printed = ""
    try:
        for block in runnable(page):
            where = f"{page}, line {block.line}"
            for slow, fast in FASTER.items():
                block = block._replace(text=block.text.replace(slow, fast))
            if block.language == "python":
                exec(compile(block.text, where, "exec"), known)
            elif block.language == "sh":
                for line in commands(block.text):
                    printed += execute(line, where)
            elif block.output:
                lines = {shape(line) for line in printed.splitlines()}
                for line in block.text.splitlines():
                    assert shape(line) in lines, f"{where}: nothing like {line!r} was printed"
            elif block.language == "yaml":
                parse_config({"inputs": {}, "targets": {}, **yaml.safe_load(block.text)})
            elif block.language == "json":
                json.loads(block.text)
    finally:
        for kind, found in kept.items():  # a page may add encoders of its own
            encoders.ENCODERS[kind].clear()
            encoders.ENCODERS[kind].update(found)


def shelf_rows(place: Path) -> pd.DataFrame | None:
    new = place / "new.csv"
    return pd.read_csv(new, dtype=str, keep_default_na=False) if new.exists() else None


class LazyRun:
    """The run as a `Predictor`, loaded where a page asks it."""

    def __getattr__(self, name):
        return getattr(sm.load("run"), name)


def commands(text: str) -> list[str]:
    joined = text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def shape(line: str) -> str:
    """A printed line without its figures."""
    return " ".join(re.sub(r"[\d.]*\d|(?<= )-(?= |$)", "#", line.rstrip()).split())


@cache
def demo() -> str:
    """What `make demo` prints, with a smaller table and one epoch."""
    lines = re.findall(r"^run (.+)$", (ROOT / "examples/demo/run.sh").read_text(), re.MULTILINE)
    given = {"$folder": "demo", '$(dirname "$0")': f"{ROOT}/examples/demo", "--config": "--epochs 1 --config"}
    for name, value in given.items():
        lines = [line.replace(name, value) for line in lines]
    return "".join(execute(line, "examples/demo/run.sh") for line in lines)


def execute(line: str, where: str) -> str:
    """What a command prints."""
    words = shlex.split(line, comments=True)
    if words[0] == "sensorium":
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == 0, f"{where}: {line}\n{result.output}\n{result.exception}"
        return result.output
    elif words[:2] == ["pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for asked in re.findall(r"sensorium\[([\w,]+)\]", line):
            assert set(asked.split(",")) <= set(extras), f"{where}: {line}"
    elif words == ["make", "demo"]:
        return demo()
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"{where}: {line}"
    elif words[0] == "cd":
        os.chdir(words[1])
    else:
        pytest.fail(f"{where}: `{line}` can't be run here. Say why in a comment before the block.")
    return ""
