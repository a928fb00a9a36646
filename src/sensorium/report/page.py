"""The report as one HTML file that needs nothing else."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.data.table import Table, write_atomically
from sensorium.pictures.markup import Html, join, note, tag
from sensorium.report.facts import Facts, gather
from sensorium.report.plot import plotly_script
from sensorium.report.sections import SECTIONS
from sensorium.report.style import SCRIPT, STYLE
from sensorium.report.words import Words

if TYPE_CHECKING:
    from sensorium.predictor import Predictor

__all__ = ["Report", "page", "report"]


@dataclass(frozen=True)
class Report:
    """A page about a run. A notebook shows it."""

    html: str

    def save(self, path: Path | str) -> None:
        """Write the page, whole or not at all."""
        write_atomically(Path(path), self.html.encode())

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.html)}" style="width:100%;height:80vh;border:0"></iframe>'


def report(
    predictor: "Predictor",
    table: Table | None,
    title: str,
    language: str,
    time_limit: float,
    seed: int,
    say: Callable[[str], None],
    single_rows: bool = True,
) -> Report:
    """A report on a run; see `Predictor.report`.

    Raises:
        ConfigError: another language, or plotly is not installed: at once, before anything is computed.
    """
    words, script = Words(language), plotly_script()
    return Report(page(gather(predictor, table, title, time_limit, seed, say, single_rows), words, script))


def page(facts: Facts, words: Words, plotly: str) -> str:
    """The HTML document.

    Its policy lets nothing be fetched from elsewhere, and no script run but plotly and our own: text from a table that
    looks like a script would not be one even if it were not escaped.
    """
    from sensorium.explain.page import STYLE as EXPLAINED

    title = words("page.title", name=facts.title) if facts.title else words("page.untitled")
    links = tag("nav", tag("ul", *(tag("li", tag("a", words(f"section.{name}"), href=f"#{name}")) for name in SECTIONS)),
                aria_label=words("page.contents"))  # fmt: skip
    sections = [
        tag("section", tag("h2", words(f"section.{name}")), draw(facts, words), id=name)
        for name, draw in SECTIONS.items()
    ]
    scripts = "; ".join(("default-src 'none'", f"script-src {_hash(plotly)} {_hash(SCRIPT)}", "style-src 'unsafe-inline'",
                         "img-src data: blob:", "media-src data: blob:", "font-src data:", "base-uri 'none'",
                         "form-action 'none'"))  # fmt: skip
    head = join([
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{escape(scripts)}">'),
        Html('<link rel="icon" href="data:,">'),
        tag("title", title),
        Html(f"<style>{STYLE}{EXPLAINED}</style>"),
    ])  # fmt: skip
    version = facts.predictor.run.get("versions", {}).get("sensorium", "")
    body = join([
        tag("header", tag("h1", title), links), tag("main", *sections), tag("footer", words("page.made", version=version)),
        tag("noscript", note(words("page.no_script"))),
        Html(f"<script>{plotly}</script><script>{SCRIPT}</script>"),
    ])  # fmt: skip
    return f'<!doctype html>\n<html lang="{words.tag}"><head>{head}</head><body>{body}</body></html>\n'


def _hash(script: str) -> str:
    """What a policy names a script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
