"""The rows that tell most, each with its media and why it was answered so."""

from dataclasses import replace
from typing import TYPE_CHECKING

from sensorium.pictures.markup import Html, join, note, plain, tag
from sensorium.report.chosen import KINDS
from sensorium.report.facts import Facts
from sensorium.report.sections.parts import no_rows, without_target
from sensorium.report.words import Words

if TYPE_CHECKING:
    from sensorium.explain.explanation import Explanation

__all__ = ["rows"]

MOST = 4_000_000  # characters of all rows together, so that a report stays below 10 MB; plotly takes five of them


def rows(facts: Facts, words: Words) -> Html:
    if not facts.predictor.coders:
        return without_target(words)
    if facts.found.table is None:
        return no_rows(facts, words)
    if not facts.single_rows:
        return note(words("rows.hidden"))
    if not facts.chosen:
        return note(words("rows.none"))
    parts, left, short = [note(words("rows.how", target=facts.chosen[0].explanation.target))], MOST, 0
    for kind in KINDS:
        own = [one.explanation for one in facts.chosen if one.kind == kind]
        parts.append(tag("h3", words(f"rows.{kind}")))
        parts.append(note(words(f"rows.how_{kind}" if own else "rows.no_such")))
        for place, explanation in enumerate(own):
            html = explanation.html(words.language)
            if len(html) > left:
                html, short = replace(explanation, parts={}).html(words.language), short + 1
            left -= len(html)
            title = tag("summary", _title(explanation, words))
            parts.append(tag("details", title, Html(html), class_="row", open=None if place else ""))
    if short:
        parts.append(note(words("rows.short", count=short)))
    parts += [note(line) for line in facts.notes]
    return join(parts)


def _title(explanation: "Explanation", words: Words) -> str:
    truth = "–" if explanation.truth is None else plain(explanation.truth)
    return words("rows.title", row=explanation.row, answer=plain(explanation.answer), truth=truth)
